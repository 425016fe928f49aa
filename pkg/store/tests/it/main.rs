//! The store from outside: against a model, against SIGKILL, against damaged files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bookmarks;
mod concurrent;
mod crash;
mod damage;
mod model;
mod relaxed;
mod snapshot;
mod support;
mod watch;
