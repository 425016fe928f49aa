//! How the C library keeps memory that is given back.
//!
//! By itself glibc counts as large what is larger than the largest piece that was ever given back, up to 32 MiB. After the
//! first list of some MiB, buffers of all sizes then lie between small things that stay, and little of the heap can be
//! returned. A line that does not move keeps each large buffer a mapping of its own, which is gone when it is freed:
//! 5 MiB less with two applications running, at the same speed.
//!
//! What is freed below that line it keeps as well, between what stays; after a burst that is returned ([`keep`]).

use std::convert::Infallible;

use knarr_daemon::Stop;

/// Fixes the line. Call before anything else runs.
pub(crate) fn settle() {
    libc::settle();
}

/// Returns what is free after each burst, until stopped.
///
/// # Errors
/// None.
pub(crate) async fn keep(stop: Stop) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = knarr_daemon::burst::over() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let begun = std::time::Instant::now();
        knarr_daemon::blocking(libc::trim).await;
        tracing::debug!(us = begun.elapsed().as_micros(), "free memory was returned");
    }
}

#[cfg(target_env = "gnu")]
mod libc {
    use nix::libc::{M_MMAP_THRESHOLD, c_int, malloc_trim, mallopt};

    /// From this size on, in bytes, a piece is a mapping of its own: what glibc begins with.
    const LARGE: c_int = 128 << 10;

    pub(super) fn settle() {
        #[expect(unsafe_code, reason = "glibc has no other way to be told")]
        // SAFETY: it takes two numbers, and no other thread runs yet.
        let taken = unsafe { mallopt(M_MMAP_THRESHOLD, LARGE) };
        debug_assert_eq!(taken, 1, "glibc takes this number");
    }

    pub(super) fn trim() {
        #[expect(unsafe_code, reason = "glibc has no other way to be asked")]
        // SAFETY: it takes a number, may be called by any thread, and touches only what is free.
        unsafe {
            malloc_trim(0);
        }
    }
}

/// Other libraries have no such line, and return by themselves what is free.
#[cfg(not(target_env = "gnu"))]
mod libc {
    pub(super) const fn settle() {}
    pub(super) const fn trim() {}
}
