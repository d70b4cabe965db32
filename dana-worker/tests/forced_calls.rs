//! System calls forced into the shipped, locked worker from outside, as if it had been taken over. The numbers in the
//! comments are rows of the attack corpus in which the expected verdict is a kill.
#![cfg(target_arch = "x86_64")]

mod support;

use dana_worker::sandbox::filter::{Machine, compile};
use dana_worker::sandbox::policy::syscalls::TABLE;
use libc::{c_long, user_regs_struct};
use nix::sys::signal::Signal;
use support::tracer::{Captive, Fate, Gate, live_filter};
use support::{Worker, is_root};

const KILLED: Fate = Fate::Died(Signal::SIGSYS);
const NONE: [u64; 6] = [0; 6];
const WRONG: [u64; 6] = [u64::MAX; 6];

/// A fresh worker for each call: a killed one cannot be asked again.
fn force(number: u64, arguments: [u64; 6]) -> Fate {
    force_through(Gate::Syscall, number, arguments)
}

fn force_through(gate: Gate, number: u64, arguments: [u64; 6]) -> Fate {
    let worker = Worker::start();
    Captive::take(worker.pid()).call(gate, number, arguments)
}

fn number(of: c_long) -> u64 {
    of.cast_unsigned()
}

fn all_killed(calls: &[(&str, c_long)]) {
    for (name, call) in calls {
        for arguments in [NONE, WRONG, [1, 2, 3, 4, 5, 6]] {
            assert_eq!(force(number(*call), arguments), KILLED, "{name} {arguments:?}");
        }
    }
}

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Row 1: every number, with arguments that no rule accepts.
///
/// Newer kernels let two numbers past every filter, for their own trampolines (Linux 6.11 and 6.18): `uretprobe` kills
/// whoever calls it elsewhere, `uprobe` returns `ENXIO`.
#[test]
fn every_number_but_the_table_is_killed() {
    const URETPROBE: i64 = 335;
    const UPROBE: i64 = 336;
    if !is_root("every_number_but_the_table_is_killed") {
        return;
    }
    let error = |errno: i32| Fate::Returned(-i64::from(errno));
    let glibc = cfg!(not(target_env = "musl"));
    for number in 0..600 {
        let fate = force(number, WRONG);
        let expected = match number.cast_signed() {
            libc::SYS_munmap => fate == error(libc::EINVAL),
            libc::SYS_exit_group => fate == Fate::Exited(255),
            libc::SYS_rt_sigprocmask => fate == error(libc::EPERM),
            libc::SYS_getpid | libc::SYS_gettid if glibc => matches!(fate, Fate::Returned(1..)),
            URETPROBE => fate == KILLED || fate == Fate::Died(Signal::SIGILL),
            UPROBE => fate == KILLED || fate == error(libc::ENXIO),
            _ => fate == KILLED,
        };
        assert!(expected, "{number}: {fate:?}");
    }
}

/// Rows 5 and 6: x32 numbers, negative and huge ones. The kernel looks at the low half only, so does the filter.
#[test]
fn odd_numbers_are_killed() {
    if !is_root("odd_numbers_are_killed") {
        return;
    }
    for number in 0..64 {
        assert_eq!(force(0x4000_0000 + number, NONE), KILLED, "x32 {number}");
    }
    for number in 512..548 {
        assert_eq!(force(0x4000_0000 + number, NONE), KILLED, "x32 {number}");
    }
    for number in [511, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, (1 << 32) + 511] {
        assert_eq!(force(number, NONE), KILLED, "{number:#x}");
    }
    let unmap = number(libc::SYS_munmap);
    assert_eq!(force((1 << 32) + unmap, WRONG), force(unmap, WRONG));
}

/// Row 4: the 32-bit gate, whose numbers mean other calls.
#[test]
fn the_32_bit_gate_is_closed() {
    if !is_root("the_32_bit_gate_is_closed") {
        return;
    }
    for number in [0, 1, 3, 4, 5, 11, 20, 90, 102, 120, 192, 252, 359] {
        assert_eq!(force_through(Gate::Int80, number, NONE), KILLED, "{number}");
    }
}

/// Row 7: the legacy page that the kernel emulates.
#[test]
fn the_legacy_page_is_closed() {
    if !is_root("the_legacy_page_is_closed") {
        return;
    }
    for entry in [0, 0x400, 0x800] {
        let fate = force_through(Gate::Vsyscall(0xffff_ffff_ff60_0000 + entry), 0, NONE);
        assert!(matches!(fate, Fate::Died(Signal::SIGSYS | Signal::SIGSEGV)), "{entry:#x}: {fate:?}");
    }
}

/// Row 13.
#[test]
fn the_canary_answers() {
    if is_root("the_canary_answers") {
        let canary = dana_worker::sandbox::policy::syscalls::CANARY;
        assert_eq!(force(u64::from(canary.number), NONE), Fate::Returned(-i64::from(canary.answer)));
    }
}

/// Row 3: each rule, with each argument changed a little, and with its high half set.
#[test]
fn perturbed_arguments_are_killed() {
    if !is_root("perturbed_arguments_are_killed") {
        return;
    }
    let page = 4096;
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).cast_unsigned().into();
    let map = [0, page, 3, anonymous, u64::MAX, 0];
    assert!(matches!(force(number(libc::SYS_mmap), map), Fate::Returned(address) if address > 0));
    let remap = [0, page, page, 1, 0, 0];
    assert!(matches!(force(number(libc::SYS_mremap), remap), Fate::Returned(_)));
    let limited: [(c_long, [u64; 6], &[usize]); 4] = [
        (libc::SYS_read, [0, 0, 0, 0, 0, 0], &[0]),
        (libc::SYS_write, [1, 0, 0, 0, 0, 0], &[0]),
        (libc::SYS_mmap, map, &[0, 2, 3]),
        (libc::SYS_mremap, remap, &[3]),
    ];
    for (call, arguments, rules) in limited {
        for &index in rules {
            for wrong in [4, 5, 6, 7, 8, 0x10, 0x20, 0x40, 1 << 20, 1 << 31, u64::MAX] {
                let mut changed = arguments;
                changed[index] ^= wrong;
                assert_eq!(force(number(call), changed), KILLED, "{call} {changed:?}");
            }
            for high in [1 << 32, 1 << 33, 1 << 63] {
                let mut changed = arguments;
                changed[index] |= high;
                assert_eq!(force(number(call), changed), KILLED, "{call} {changed:?}");
            }
        }
    }
}

/// Rows 23 and 24.
#[test]
fn memory_cannot_be_made_executable_shared_or_placed() {
    if !is_root("memory_cannot_be_made_executable_shared_or_placed") {
        return;
    }
    let anonymous: u64 = 0x22;
    let cases = [
        ("write and execute", [0, 4096, 7, anonymous, u64::MAX, 0]),
        ("execute", [0, 4096, 5, anonymous, u64::MAX, 0]),
        ("no access", [0, 4096, 0, anonymous, u64::MAX, 0]),
        ("grows down", [0, 4096, 0x0100_0003, anonymous, u64::MAX, 0]),
        ("shared", [0, 4096, 3, 0x21, u64::MAX, 0]),
        ("a file", [0, 4096, 3, 0x02, 0, 0]),
        ("fixed at null", [0, 4096, 3, anonymous | 0x10, u64::MAX, 0]),
        ("fixed over the code", [0x40_0000, 4096, 3, anonymous | 0x10, u64::MAX, 0]),
        ("huge pages", [0, 1 << 21, 3, anonymous | 0x4_0000, u64::MAX, 0]),
        ("stack", [0, 4096, 3, anonymous | 0x100, u64::MAX, 0]),
        ("locked", [0, 4096, 3, anonymous | 0x2000, u64::MAX, 0]),
    ];
    for (what, arguments) in cases {
        assert_eq!(force(number(libc::SYS_mmap), arguments), KILLED, "{what}");
    }
    all_killed(
        calls!(SYS_mprotect SYS_pkey_mprotect SYS_madvise SYS_mlock SYS_mlockall SYS_memfd_create SYS_memfd_secret
        SYS_remap_file_pages SYS_shmget SYS_shmat SYS_brk SYS_mseal SYS_process_madvise SYS_userfaultfd),
    );
}

/// Row 25: an absurd reservation is an error, within the limit on address space.
#[test]
fn a_terabyte_is_refused() {
    if is_root("a_terabyte_is_refused") {
        let fate = force(number(libc::SYS_mmap), [0, 1 << 40, 3, 0x22, u64::MAX, 0]);
        assert_eq!(fate, Fate::Returned(-i64::from(libc::ENOMEM)));
    }
}

/// Rows 9 and 10: no process, no thread, no program, no other filter.
#[test]
fn nothing_can_be_started() {
    if is_root("nothing_can_be_started") {
        all_killed(
            calls!(SYS_fork SYS_vfork SYS_clone SYS_clone3 SYS_execve SYS_execveat SYS_seccomp SYS_prctl
            SYS_arch_prctl SYS_set_tid_address SYS_set_robust_list SYS_rseq SYS_restart_syscall),
        );
    }
}

/// Rows 11 and 12, and 42.
#[test]
fn kernel_machinery_is_out_of_reach() {
    if is_root("kernel_machinery_is_out_of_reach") {
        all_killed(
            calls!(SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_io_setup SYS_io_submit SYS_bpf
            SYS_perf_event_open SYS_keyctl SYS_add_key SYS_request_key SYS_modify_ldt SYS_membarrier SYS_landlock_create_ruleset
            SYS_landlock_restrict_self SYS_inotify_init1 SYS_fanotify_init SYS_statfs SYS_fstatfs SYS_sysinfo SYS_uname
            SYS_syslog SYS_quotactl SYS_lookup_dcookie),
        );
    }
}

/// Rows 34 and 53.
#[test]
fn scheduling_and_limits_are_out_of_reach() {
    if is_root("scheduling_and_limits_are_out_of_reach") {
        all_killed(
            calls!(SYS_sched_setscheduler SYS_sched_setattr SYS_sched_setaffinity SYS_sched_yield SYS_setpriority
            SYS_ioprio_set SYS_prlimit64 SYS_setrlimit SYS_getrlimit SYS_getrusage),
        );
    }
}

/// Rows 35 to 38, 60 and 61: no path is ever looked at, so /proc and /etc are as far away as any.
#[test]
fn no_path_can_be_opened_or_changed() {
    if is_root("no_path_can_be_opened_or_changed") {
        all_killed(
            calls!(SYS_open SYS_openat SYS_openat2 SYS_creat SYS_open_by_handle_at SYS_name_to_handle_at SYS_stat
            SYS_lstat SYS_fstat SYS_newfstatat SYS_statx SYS_access SYS_faccessat SYS_faccessat2 SYS_readlink SYS_readlinkat
            SYS_getcwd SYS_getdents SYS_getdents64 SYS_mknod SYS_mknodat SYS_mkdir SYS_mkdirat SYS_link SYS_linkat SYS_symlink
            SYS_rename SYS_renameat2 SYS_unlink SYS_unlinkat SYS_truncate SYS_ftruncate SYS_chmod SYS_fchmod SYS_chown
            SYS_utimensat SYS_setxattr SYS_getxattr SYS_chdir SYS_fchdir SYS_chroot SYS_pivot_root SYS_mount SYS_umount2
            SYS_fsopen SYS_fsmount SYS_fsconfig SYS_open_tree SYS_move_mount SYS_mount_setattr SYS_sendfile
            SYS_copy_file_range),
        );
    }
}

/// Rows 43, 44, 47 and 48.
#[test]
fn there_is_no_network() {
    if !is_root("there_is_no_network") {
        return;
    }
    for family in 0..48 {
        assert_eq!(force(number(libc::SYS_socket), [family, 1, 0, 0, 0, 0]), KILLED, "family {family}");
    }
    all_killed(
        calls!(SYS_socketpair SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_sendto SYS_recvfrom SYS_sendmsg
        SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_getsockopt SYS_setsockopt SYS_getsockname SYS_getpeername SYS_shutdown),
    );
}

/// Rows 49 to 51, 54 to 56, and 59.
#[test]
fn no_other_process_can_be_touched() {
    if !is_root("no_other_process_can_be_touched") {
        return;
    }
    let host = u64::from(std::process::id());
    for (call, arguments) in [
        (libc::SYS_kill, [host, 0, 0, 0, 0, 0]),
        (libc::SYS_kill, [u64::MAX, 0, 0, 0, 0, 0]),
        (libc::SYS_kill, [0, 9, 0, 0, 0, 0]),
        (libc::SYS_tkill, [host, 6, 0, 0, 0, 0]),
        (libc::SYS_tkill, [1, 6, 0, 0, 0, 0]),
        (libc::SYS_tgkill, [host, host, 6, 0, 0, 0]),
        (libc::SYS_ptrace, [0, 0, 0, 0, 0, 0]),
        (libc::SYS_ptrace, [16, host, 0, 0, 0, 0]),
        (libc::SYS_ptrace, [0x4206, host, 0, 0, 0, 0]),
    ] {
        assert_eq!(force(number(call), arguments), KILLED, "{call} {arguments:?}");
    }
    all_killed(
        calls!(SYS_pidfd_open SYS_pidfd_getfd SYS_pidfd_send_signal SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp
        SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_timer_create SYS_setitimer SYS_alarm SYS_fcntl SYS_unshare SYS_setns
        SYS_rt_sigaction SYS_rt_sigreturn SYS_rt_sigsuspend SYS_sigaltstack SYS_wait4 SYS_waitid SYS_setpgid SYS_setsid
        SYS_getppid SYS_pause SYS_nanosleep SYS_clock_nanosleep SYS_futex),
    );
}

/// Row 49: its own thread may be sent `SIGABRT` and nothing else.
#[test]
fn only_an_abort_can_be_sent_and_only_to_itself() {
    if !is_root("only_an_abort_can_be_sent_and_only_to_itself") {
        return;
    }
    let musl = cfg!(target_env = "musl");
    let call = number(if musl { libc::SYS_tkill } else { libc::SYS_tgkill });
    let to =
        |pid: u64, signal: u64| if musl { [pid, signal, 0, 0, 0, 0] } else { [pid, pid, signal, 0, 0, 0] };
    for signal in (0..65).filter(|signal| *signal != 6) {
        let worker = Worker::start();
        let own = worker.pid().unsigned_abs().into();
        assert_eq!(
            Captive::take(worker.pid()).call(Gate::Syscall, call, to(own, signal)),
            KILLED,
            "signal {signal}"
        );
    }
    let worker = Worker::start();
    let own = worker.pid().unsigned_abs().into();
    let captive = Captive::take(worker.pid());
    let registers = captive.prepared(call, to(own, 6));
    assert_eq!(captive.run_from(registers), Fate::Died(Signal::SIGABRT));
}

/// Rows 64, 66 and 67.
#[test]
fn no_privilege_can_be_regained() {
    if is_root("no_privilege_can_be_regained") {
        all_killed(
            calls!(SYS_setuid SYS_setgid SYS_setreuid SYS_setresuid SYS_setresgid SYS_setgroups SYS_setfsuid SYS_capset
            SYS_capget SYS_personality SYS_iopl SYS_ioperm SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load
            SYS_kexec_file_load SYS_reboot SYS_acct SYS_swapon SYS_swapoff SYS_settimeofday SYS_clock_settime SYS_adjtimex
            SYS_sethostname SYS_setdomainname SYS_vhangup SYS_umask),
        );
    }
}

/// Rows 68, 69 and 71.
#[test]
fn descriptors_cannot_be_made_or_changed() {
    if !is_root("descriptors_cannot_be_made_or_changed") {
        return;
    }
    for (what, call, arguments) in [
        ("write to the request pipe", libc::SYS_write, [0, 0, 0, 0, 0, 0]),
        ("read from the reply pipe", libc::SYS_read, [1, 0, 0, 0, 0, 0]),
        ("a larger pipe", libc::SYS_fcntl, [1, 1031, 1 << 20, 0, 0, 0]),
        ("a signal to the host", libc::SYS_fcntl, [0, 8, u64::from(std::process::id()), 0, 0, 0]),
    ] {
        assert_eq!(force(number(call), arguments), KILLED, "{what}");
    }
    all_killed(
        calls!(SYS_ioctl SYS_dup SYS_dup2 SYS_dup3 SYS_close SYS_close_range SYS_pipe SYS_pipe2 SYS_splice SYS_vmsplice
        SYS_tee SYS_eventfd2 SYS_epoll_create1 SYS_epoll_ctl SYS_signalfd4 SYS_timerfd_create SYS_poll SYS_ppoll SYS_select
        SYS_msgget SYS_msgsnd SYS_semget SYS_semop SYS_mq_open SYS_shmctl SYS_readv SYS_writev SYS_pread64 SYS_pwrite64
        SYS_preadv2 SYS_pwritev2 SYS_lseek SYS_flock SYS_fsync SYS_sync),
    );
}

/// A stack overflow says so and aborts; a wild access says so and dies of its own signal. Neither looks like an attack.
#[test]
fn crashes_are_told_apart_from_attacks() {
    if !is_root("crashes_are_told_apart_from_attacks") {
        return;
    }
    let crash = |change: fn(&mut user_regs_struct)| {
        let mut worker = Worker::start();
        let captive = Captive::take(worker.pid());
        let mut registers = captive.registers();
        registers.orig_rax = u64::MAX;
        change(&mut registers);
        (captive.run_from(registers), worker.words_so_far())
    };
    // 8 MiB is the whole stack. Pushing below it faults beside the stack pointer.
    let (overflow, words) = crash(|registers| {
        registers.rsp -= 16 << 20;
        registers.rax = u64::MAX; // the call "fails", and the function returns through the bad stack
    });
    assert_eq!((overflow, words.as_str()), (Fate::Died(Signal::SIGABRT), "dana-worker: stack overflow\n"));
    let (wild, words) = crash(|registers| registers.rip = 0x10);
    assert_eq!((wild, words.as_str()), (Fate::Died(Signal::SIGSEGV), "dana-worker: memory fault\n"));
}

/// The kernel holds the filter that the other tests explore, instruction for instruction.
#[test]
fn the_live_filter_is_the_compiled_table() {
    if !is_root("the_live_filter_is_the_compiled_table") {
        return;
    }
    let worker = Worker::start();
    let own_pid = worker.pid().unsigned_abs();
    let compiled = compile(TABLE, Machine::HERE, own_pid);
    assert_eq!(live_filter(worker.pid()), compiled.as_slice());
}
