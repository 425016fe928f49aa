//! The process that holds a pod's sandbox: it waits, reaps orphans when it is the first process of a shared PID
//! namespace, and ends when asked.
//!
//! Freestanding, a few KB: no libc, no allocator, no start files. Signals are blocked and taken one by one, so there are
//! no handlers and no restorer. Compiled by the build script of the crate around it.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

const SIGINT: u64 = 2;
const SIGTERM: u64 = 15;
const SIGCHLD: u64 = 17;
const SIG_BLOCK: usize = 0;
const WNOHANG: usize = 1;
/// What the kernel takes a signal set to be.
const SET_SIZE: usize = 8;

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const SIGPROCMASK: usize = 14;
    pub const SIGTIMEDWAIT: usize = 128;
    pub const WAIT4: usize = 61;
    pub const EXIT_GROUP: usize = 231;
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod nr {
    pub const SIGPROCMASK: usize = 135;
    pub const SIGTIMEDWAIT: usize = 137;
    pub const WAIT4: usize = 260;
    pub const EXIT_GROUP: usize = 94;
}

// The kernel enters at `_start` with an aligned stack but no return address; functions expect to be called.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor %ebp, %ebp", "and $-16, %rsp", "call {}", sym hold, options(att_syntax));
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "bl {}", sym hold);
#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "call {}", sym hold);

/// A system call with up to four arguments.
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does with them.
unsafe fn call(nr: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention, all that it clobbers are named, and the caller
    // answers for the pointers.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inlateout("rax") nr as isize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
        #[cfg(target_arch = "aarch64")]
        asm!("svc 0", in("x8") nr, inlateout("x0") a as isize => result, in("x1") b, in("x2") c, in("x3") d,
             options(nostack));
        #[cfg(target_arch = "riscv64")]
        asm!("ecall", in("a7") nr, inlateout("a0") a as isize => result, in("a1") b, in("a2") c, in("a3") d,
             options(nostack));
    }
    result
}

extern "C" fn hold() -> ! {
    let set: u64 = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1) | 1 << (SIGCHLD - 1);
    let at = &raw const set as usize;
    // SAFETY: `set` lives as long as this function, which never returns, and is as large as SET_SIZE says; all other
    // pointers are null, which these calls take for "none".
    unsafe {
        call(nr::SIGPROCMASK, SIG_BLOCK, at, 0, SET_SIZE);
        loop {
            let signal = call(nr::SIGTIMEDWAIT, at, 0, 0, SET_SIZE);
            if signal == SIGCHLD as isize {
                while call(nr::WAIT4, usize::MAX, 0, WNOHANG, 0) > 0 {}
            } else if signal > 0 {
                break;
            }
        }
        loop {
            call(nr::EXIT_GROUP, 0, 0, 0, 0);
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
