//! `range` values: three integers, never a list.

#[derive(Debug, Clone, Copy)]
pub struct RangeObj {
    pub start: i64,
    pub stop: i64,
    /// Not zero.
    pub step: i64,
}

impl RangeObj {
    /// Number of elements; saturates at `u64::MAX`.
    pub fn len(&self) -> u64 {
        let (start, stop, step) = (i128::from(self.start), i128::from(self.stop), i128::from(self.step));
        let count =
            if step > 0 { (stop - start + step - 1) / step } else { (start - stop - step - 1) / -step };
        u64::try_from(count.max(0)).unwrap_or(u64::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a position inside the range.
    pub fn at(&self, at: u64) -> i64 {
        (i128::from(self.start) + i128::from(at) * i128::from(self.step)) as i64
    }

    /// The range of the elements from one position up to another, in steps. The bounds are already inside.
    pub fn slice(&self, from: i64, to: i64, step: i64) -> RangeObj {
        RangeObj { start: self.place(from), stop: self.place(to), step: self.step.saturating_mul(step) }
    }

    /// Where the element at a position is, or would be just outside.
    fn place(&self, at: i64) -> i64 {
        let place = i128::from(self.start) + i128::from(at) * i128::from(self.step);
        place.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    pub fn contains(&self, number: i64) -> bool {
        let inside = if self.step > 0 {
            self.start <= number && number < self.stop
        } else {
            self.stop < number && number <= self.start
        };
        inside && (i128::from(number) - i128::from(self.start)) % i128::from(self.step) == 0
    }
}

impl PartialEq for RangeObj {
    /// As sequences: empty ranges are equal, and so are ranges of the same elements.
    fn eq(&self, other: &Self) -> bool {
        let len = self.len();
        len == other.len() && (len == 0 || self.start == other.start && (len == 1 || self.step == other.step))
    }
}
