//! What can be chosen when a store is opened.

use std::time::Duration;

/// Bounds and delays. [`Config::default`] suits one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long the past can be watched and listed.
    pub history: Duration,
    /// At most so many events of the past are kept.
    pub max_events: usize,
    /// At most about so many bytes of objects are kept for the past alone.
    pub max_bytes: usize,
    /// Events a watcher may lag behind before it is cut off.
    pub watch_buffer: usize,
    /// Transactions under way at once; further callers wait.
    pub max_commits: usize,
    /// Relaxed writes join a durable commit once the oldest has waited so long.
    pub relaxed_ride: Duration,
    /// Relaxed writes are flushed on their own once the oldest has waited so long. This is what a power cut can
    /// cost at most; it is long so that an idle cluster hardly writes.
    pub relaxed_flush: Duration,
    /// Relaxed writes are flushed once so many objects are waiting.
    pub relaxed_max: usize,
    /// How many revisions are reserved on disk at a time.
    pub revision_block: u64,
    /// Numbering continues above this revision at least. Raised after restoring a snapshot, whose revisions may lie
    /// before what clients have already seen.
    pub floor: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            history: Duration::from_secs(5 * 60),
            max_events: 65_536,
            max_bytes: 32 << 20,
            watch_buffer: 1024,
            max_commits: 1024,
            relaxed_ride: Duration::from_secs(10),
            relaxed_flush: Duration::from_secs(10 * 60),
            relaxed_max: 4096,
            revision_block: 10_000,
            floor: 0,
        }
    }
}
