//! Compiles the table of system calls into a seccomp program.
//!
//! The architecture is checked before anything else, because the same number means another call elsewhere. After that
//! it is a plain list: number, arguments, verdict. What falls through is killed. No heap is used.

use super::policy::syscalls::{Check, Row, Verdict};

/// One instruction of the kernel's classic BPF machine (`struct sock_filter`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Load the word at offset `k` of `struct seccomp_data`.
pub const LOAD: u16 = 0x20;
/// Compare with `k`: equal.
pub const JUMP_EQUAL: u16 = 0x15;
/// Compare with `k`: greater or equal, unsigned.
pub const JUMP_GREATER_EQUAL: u16 = 0x35;
/// End with the verdict `k`.
pub const RETURN: u16 = 0x06;

/// Verdict: the call goes on.
pub const ALLOW: u32 = 0x7fff_0000;
/// Verdict: every thread of the process dies of `SIGSYS`.
pub const KILL_PROCESS: u32 = 0x8000_0000;
/// Verdict: the call fails with the error in the low half.
pub const ERRNO: u32 = 0x0005_0000;

/// Offset of the call's number.
pub const NUMBER: u32 = 0;
/// Offset of the architecture.
pub const ARCHITECTURE: u32 = 4;

/// A machine the filter can be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86. Numbers from 2^30 on are the x32 interface.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Machine {
    /// The machine this program is built for.
    #[cfg(target_arch = "x86_64")]
    pub const HERE: Machine = Machine::X86_64;
    /// The machine this program is built for.
    #[cfg(target_arch = "aarch64")]
    pub const HERE: Machine = Machine::Aarch64;

    /// `AUDIT_ARCH_X86_64` or `AUDIT_ARCH_AARCH64` (`linux/audit.h`).
    pub const fn audit(self) -> u32 {
        match self {
            Machine::X86_64 => 0xc000_003e,
            Machine::Aarch64 => 0xc000_00b7,
        }
    }

    /// The number a row has on this machine.
    pub const fn number(self, row: &Row) -> u32 {
        match self {
            Machine::X86_64 => row.x86_64,
            Machine::Aarch64 => row.aarch64,
        }
    }
}

/// First number of the x32 interface.
pub const X32: u32 = 0x4000_0000;

/// Offset of the low word of an argument; the high one is four bytes on. Both machines are little-endian.
pub const fn argument(index: usize) -> u32 {
    16 + 8 * index as u32
}

/// Room for the program. A table that needs more does not compile: see `compile`.
const CAPACITY: usize = 128;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Program {
    code: [Instruction; CAPACITY],
    length: usize,
}

impl Program {
    /// The instructions, ready for the kernel.
    pub fn as_slice(&self) -> &[Instruction] {
        self.code.get(..self.length).unwrap_or(&self.code)
    }

    const fn emit(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.code[self.length] = Instruction { code, jt, jf, k };
        self.length += 1;
    }

    /// Goes on only if the loaded word is `value`; ends the process otherwise.
    const fn require(&mut self, value: u32) {
        self.emit(JUMP_EQUAL, 1, 0, value);
        self.emit(RETURN, 0, 0, KILL_PROCESS);
    }
}

/// Compiles `table` for `machine`, in a process whose id is `own_pid`.
///
/// # Panics
///
/// When the table needs more than the fixed room or a list of values is too long for a jump. Both depend on the table
/// alone, which the tests compile.
pub const fn compile(table: &[Row], machine: Machine, own_pid: u32) -> Program {
    let mut program = Program { code: [Instruction { code: 0, jt: 0, jf: 0, k: 0 }; CAPACITY], length: 0 };
    program.emit(LOAD, 0, 0, ARCHITECTURE);
    program.require(machine.audit());
    program.emit(LOAD, 0, 0, NUMBER);
    if matches!(machine, Machine::X86_64) {
        program.emit(JUMP_GREATER_EQUAL, 0, 1, X32);
        program.emit(RETURN, 0, 0, KILL_PROCESS);
    }
    let mut at = 0;
    while at < table.len() {
        compile_row(&mut program, &table[at], machine.number(&table[at]), own_pid);
        at += 1;
    }
    program.emit(RETURN, 0, 0, KILL_PROCESS);
    program
}

const fn compile_row(program: &mut Program, row: &Row, number: u32, own_pid: u32) {
    let start = program.length;
    program.emit(JUMP_EQUAL, 0, 0, number);
    match row.verdict {
        Verdict::Allow(checks) => {
            let mut at = 0;
            while at < checks.len() {
                match checks[at] {
                    Check::OneOf(index, values) => compile_check(program, index, values),
                    Check::OwnPid(index) => compile_check(program, index, &[own_pid]),
                }
                at += 1;
            }
            program.emit(RETURN, 0, 0, ALLOW);
        }
        Verdict::Fail(errno) => program.emit(RETURN, 0, 0, ERRNO | errno as u32),
    }
    let body = program.length - start - 1;
    assert!(body <= u8::MAX as usize, "a row is too long for a jump");
    program.code[start].jf = body as u8;
}

/// The high word is zero, and the low one is among `values`.
const fn compile_check(program: &mut Program, index: usize, values: &[u32]) {
    program.emit(LOAD, 0, 0, argument(index) + 4);
    program.require(0);
    program.emit(LOAD, 0, 0, argument(index));
    let mut at = 0;
    while at < values.len() {
        // On a match, skip the remaining comparisons and the verdict.
        let remaining = values.len() - at - 1;
        assert!(remaining < u8::MAX as usize, "too many values for a jump");
        program.emit(JUMP_EQUAL, remaining as u8 + 1, 0, values[at]);
        at += 1;
    }
    program.emit(RETURN, 0, 0, KILL_PROCESS);
}
