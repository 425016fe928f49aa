//! How the C library keeps memory that is given back.
//!
//! By itself glibc counts as large what is larger than the largest piece that was ever given back, up to 32 MiB. After the
//! first list of some MiB, buffers of all sizes then lie between small things that stay, and little of the heap can be
//! returned. A line that does not move keeps each large buffer a mapping of its own, which is gone when it is freed:
//! 5 MiB less with two applications running, at the same speed.

/// From this size on, in bytes, a piece is a mapping of its own: what glibc begins with.
#[cfg(target_env = "gnu")]
const LARGE: nix::libc::c_int = 128 << 10;

/// Fixes the line. Call before anything else runs.
#[cfg(target_env = "gnu")]
pub(crate) fn settle() {
    #[expect(unsafe_code, reason = "glibc has no other way to be told")]
    // SAFETY: it takes two numbers, and no other thread runs yet.
    let taken = unsafe { nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, LARGE) };
    debug_assert_eq!(taken, 1, "glibc takes this number");
}

/// Other libraries have no such line.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn settle() {}
