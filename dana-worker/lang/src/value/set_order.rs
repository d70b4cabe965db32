//! The order in which the members of a set of integers are shown and visited: CPython's.
//!
//! Programs and the output expected of them know it: `{3, 1, 2}` shows as `{1, 2, 3}`. CPython's order of texts
//! changes from run to run, so all other sets keep the order in which their members were added, and so do large ones.

/// Members a set may have to be put in order.
pub const LARGEST: usize = 4096;

const SMALLEST: usize = 8;
/// Neighbours that are tried before jumping on.
const NEIGHBOURS: usize = 9;
const SHIFT: u32 = 5;
/// Modulus of the hash of integers.
const PRIME: u64 = (1 << 61) - 1;
const FREE: u32 = u32::MAX;

/// Positions of the numbers, as CPython's table has them after they were added one by one. They differ.
pub(super) fn order(numbers: &[i64]) -> Vec<u32> {
    let mut table = vec![FREE; SMALLEST];
    for (at, used) in (0_u32..).zip(1..=numbers.len()) {
        place(&mut table, numbers, at);
        if used * 5 >= (table.len() - 1) * 3 {
            let size = (used * 4 + 1).next_power_of_two();
            let placed = std::mem::replace(&mut table, vec![FREE; size]);
            for at in placed.into_iter().filter(|at| *at != FREE) {
                place(&mut table, numbers, at);
            }
        }
    }
    table.retain(|at| *at != FREE);
    table
}

fn place(table: &mut [u32], numbers: &[i64], at: u32) {
    let mask = table.len() - 1;
    let mut perturb = hash(numbers.get(at as usize).copied().unwrap_or(0));
    let mut slot = perturb as usize & mask;
    loop {
        let last = if slot + NEIGHBOURS <= mask { slot + NEIGHBOURS } else { slot };
        if let Some(free) =
            table.get_mut(slot..=last).and_then(|near| near.iter_mut().find(|at| **at == FREE))
        {
            *free = at;
            return;
        }
        perturb >>= SHIFT;
        slot = slot.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb as usize) & mask;
    }
}

fn hash(number: i64) -> u64 {
    let hash = (number.unsigned_abs() % PRIME) as i64;
    let hash = if number < 0 { -hash } else { hash };
    (if hash == -1 { -2 } else { hash }) as u64
}

#[cfg(test)]
mod tests {
    use super::order;

    fn ordered(numbers: &[i64]) -> Vec<i64> {
        order(numbers).into_iter().map(|at| numbers[at as usize]).collect()
    }

    /// What CPython shows for `set([...])`.
    #[test]
    fn as_cpython_has_them() {
        let cases: &[(&[i64], &[i64])] = &[
            (&[3, 1, 2], &[1, 2, 3]),
            (&[], &[]),
            (&[5], &[5]),
            (&[10, 2], &[10, 2]),
            (&[-1, 5, 100], &[100, 5, -1]),
            (&[9, 8, 1], &[8, 9, 1]),
            (&[8, 0], &[8, 0]),
            (&[0, 8], &[0, 8]),
            (&[16, 8, 0], &[16, 8, 0]),
            (&[2305843009213693951, 1, 5], &[2305843009213693951, 1, 5]),
            (&[-2, -1, 0], &[0, -2, -1]),
            (&[-1, -2], &[-1, -2]),
            (
                &[1099511627776, 3, 4611686018427387904, -4611686018427387904],
                &[1099511627776, 4611686018427387904, 3, -4611686018427387904],
            ),
            (&[109, 15, 139, 41], &[41, 139, 109, 15]),
            (&[153, 126, 191, 165, 139], &[165, 139, 153, 126, 191]),
            (&[116, 186, 85, -43, 165, 69], &[165, 69, 116, -43, 85, 186]),
            (
                &[148, 191, 13, 116, -37, 180, -10, -22, 45, 70, 172, 47],
                &[70, -22, 172, 13, 45, 47, 116, 148, 180, -10, -37, 191],
            ),
            (
                &[89, -24, 96, 13, -47, 137, 5, 54, 21, -4, 184, 172, 146, 49, -10, 145, 154, -32, -15, 108],
                &[5, 137, 13, 145, 146, 21, 154, 172, 49, 54, 184, -47, 89, 96, -32, -24, 108, -15, -10, -4],
            ),
            (
                &[
                    108, 63, -18, -17, -50, 173, -49, 3, 148, 5, -8, 194, 189, 24, 30, 0, 88, 174, 123, 110,
                    2, -4, 126, 184, 48,
                ],
                &[
                    0, 2, 3, 5, 148, 24, 30, 173, 174, 48, 184, 189, 63, 194, -50, -49, 88, 108, -18, -17,
                    110, -8, 123, -4, 126,
                ],
            ),
            (
                &[
                    19, 1, 23, 26, 10, 9, 16, 4, 21, 34, 36, 39, 18, 0, 28, 31, 22, 35, 2, 30, 11, 20, 15,
                    37, 5, 7, 14, 25, 24, 29,
                ],
                &[
                    0, 1, 2, 4, 5, 7, 9, 10, 11, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30,
                    31, 34, 35, 36, 37, 39,
                ],
            ),
        ];
        for (added, shown) in cases {
            assert_eq!(ordered(added), *shown, "{added:?}");
        }
    }
}
