//! Forces system calls into a locked worker from outside, as root: what an attacker who has taken over the worker could
//! do, without any hook in the product.

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// What came of a forced call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process died of this signal.
    Died(Signal),
    /// The call came back with this value (an error number when negative).
    Returned(i64),
    /// The process ended itself with this status.
    Exited(i32),
}

/// A worker that is stopped in its wait for the next request.
pub struct Captive {
    pid: Pid,
    calm: libc::user_regs_struct,
}

/// How to enter the kernel.
#[derive(Clone, Copy, Debug)]
pub enum Gate {
    /// The `syscall` instruction that the worker is blocked in.
    Syscall,
    /// `int 0x80`, the 32-bit gate, written over the code where the worker stands.
    Int80,
    /// A call of the legacy page at this address.
    Vsyscall(u64),
}

impl Captive {
    /// Attaches once the worker is blocked in its read, and waits until it stands still.
    pub fn take(pid: i32) -> Captive {
        let reading = || {
            std::fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|call| call.starts_with("0 "))
        };
        while !reading() {
            std::thread::yield_now();
        }
        let pid = Pid::from_raw(pid);
        ptrace::attach(pid).expect("root may attach");
        let stopped = waitpid(pid, None).expect("our child");
        assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
        Captive { pid, calm: ptrace::getregs(pid).expect("registers") }
    }

    pub fn registers(&self) -> libc::user_regs_struct {
        self.calm
    }

    /// Makes one system call through `gate`, and tells what came of it.
    pub fn call(&mut self, gate: Gate, number: u64, arguments: [u64; 6]) -> Fate {
        let mut registers = self.prepared(number, arguments);
        match gate {
            Gate::Syscall => {}
            Gate::Int80 => {
                self.write(self.calm.rip, i64::from(0x80cd));
                let [one, two, three, four, five, six] = arguments;
                [registers.rbx, registers.rcx, registers.rdx, registers.rsi, registers.rdi, registers.rbp] =
                    [one, two, three, four, five, six];
                registers.rip = self.calm.rip;
            }
            Gate::Vsyscall(page) => {
                registers.rsp -= 256;
                self.write(registers.rsp, self.calm.rip.cast_signed());
                registers.rip = page;
            }
        }
        self.step_from(registers)
    }

    /// Registers with which the next instruction makes this call.
    pub fn prepared(&self, number: u64, arguments: [u64; 6]) -> libc::user_regs_struct {
        let mut registers = self.calm;
        registers.orig_rax = u64::MAX; // nothing to restart
        registers.rax = number;
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] = arguments;
        registers.rip = self.calm.rip - 2;
        registers
    }

    /// Lets one instruction run with these registers.
    pub fn step_from(&mut self, registers: libc::user_regs_struct) -> Fate {
        ptrace::setregs(self.pid, registers).expect("stopped");
        ptrace::step(self.pid, None).expect("stopped");
        self.outcome()
    }

    /// Goes on from these registers, signals delivered, to the end of the process.
    pub fn run_from(self, registers: libc::user_regs_struct) -> Fate {
        ptrace::setregs(self.pid, registers).expect("stopped");
        let mut signal = None;
        loop {
            ptrace::cont(self.pid, signal).expect("stopped");
            match waitpid(self.pid, None).expect("our child") {
                WaitStatus::Stopped(_, raised) => signal = Some(raised),
                WaitStatus::Signaled(_, signal, _) => return Fate::Died(signal),
                WaitStatus::Exited(_, status) => return Fate::Exited(status),
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    fn outcome(&self) -> Fate {
        match waitpid(self.pid, None).expect("our child") {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                Fate::Returned(ptrace::getregs(self.pid).expect("registers").rax.cast_signed())
            }
            WaitStatus::Stopped(_, signal) | WaitStatus::Signaled(_, signal, _) => Fate::Died(signal),
            WaitStatus::Exited(_, status) => Fate::Exited(status),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Overwrites a word of the worker's memory, code included.
    pub fn write(&self, address: u64, word: i64) {
        ptrace::write(self.pid, address as ptrace::AddressType, word).expect("mapped");
    }
}

/// The newest filter of a process, as the kernel holds it.
pub fn live_filter(pid: i32) -> Vec<dana_worker::sandbox::filter::Instruction> {
    use dana_worker::sandbox::filter::Instruction;
    const GET_FILTER: i32 = 0x420c; // PTRACE_SECCOMP_GET_FILTER, linux/ptrace.h
    let captive = Captive::take(pid);
    let ask = |room: *mut Instruction| {
        let newest = std::ptr::without_provenance_mut::<libc::c_void>(0);
        // SAFETY: a stopped tracee; the kernel writes as many instructions as it said it would.
        let count = unsafe { libc::ptrace(GET_FILTER as _, captive.pid.as_raw(), newest, room) };
        usize::try_from(count).expect("root may read filters")
    };
    let mut code = vec![Instruction::default(); ask(std::ptr::null_mut())];
    assert_eq!(ask(code.as_mut_ptr()), code.len());
    code
}
