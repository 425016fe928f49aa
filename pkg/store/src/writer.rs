//! The writer: the one thread that owns the database and changes memory.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use tokio::sync::watch as channel;

use crate::{
    Class, Collection, CommitError, CommitErrorKind, Config, DiskError, Event,
    disk::{Disk, Rows},
    memory::Memory,
    queue::{Job, Queue, Waiting, Wake},
    stage::Stage,
};

/// How the writer ended.
pub(crate) type Ended = Option<Result<(), Arc<DiskError>>>;

pub(crate) struct Writer {
    pub(crate) config: Config,
    pub(crate) disk: Disk,
    pub(crate) memory: Arc<Memory>,
    pub(crate) queue: Arc<Queue>,
    /// The newest revision given. Behind it in memory are only those of failed commits, which are never used again.
    pub(crate) revision: u64,
    pub(crate) pending: Pending,
}

/// Relaxed writes that are in memory only.
#[derive(Default)]
pub(crate) struct Pending {
    rows: Rows,
    /// Objects with a deletion among the rows. What is made anew under such a name has another row: were it written
    /// alone, both would be on disk.
    gone: HashSet<(Collection, Box<str>, Box<str>)>,
    /// When the oldest came, or when flushing last failed.
    since: Option<Instant>,
}

impl Writer {
    /// Works until the queue is closed, then closes the database and says how that went.
    pub(crate) fn run(mut self, ended: channel::Sender<Ended>) {
        let abort = AbortOnPanic;
        loop {
            let deadline = self.pending.since.map(|s| s + self.config.relaxed_flush);
            match self.queue.take(deadline) {
                Wake::Jobs(jobs) => self.group(jobs),
                Wake::Due => self.flush(),
                Wake::Closed => break,
            }
            self.disk.tidy(self.queue.is_empty());
        }
        self.memory.close();
        let Self { disk, pending, revision, memory, .. } = self;
        let end = disk.close(&pending.rows, revision, |c| memory.name(c)).map_err(Arc::new);
        drop(abort);
        ended.send_replace(Some(end));
    }

    /// Relaxed transactions first: they need no disk, so they neither wait for it nor share its failures. All jobs
    /// of a group are concurrent, any order is right.
    fn group(&mut self, jobs: Vec<Job>) {
        let (relaxed, durable): (Vec<_>, _) = jobs.into_iter().partition(|j| j.transaction.class == Class::Relaxed);
        self.transact(relaxed, Class::Relaxed);
        self.transact(durable, Class::Durable);
    }

    fn transact(&mut self, jobs: Vec<Job>, class: Class) {
        let memory = self.memory.clone();
        let mut stage = Stage::new(&memory, self.revision);
        let staged: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let (transaction, waiting) = job.split();
                (waiting, stage.add(transaction.ops))
            })
            .collect();
        let (revision, events) = stage.finish();
        let rows = rows(&events);
        if let Err(error) = self.keep(rows, revision, class) {
            // Also those that failed a precondition: it may have been one of the group that made it fail.
            fail(staged.into_iter().map(|(waiting, _)| waiting), error);
            return;
        }
        memory.apply(&events, Instant::now());
        for (waiting, result) in staged {
            waiting.answer(result.map(|own| events[own].iter().map(|e| e.object().clone()).collect()));
        }
    }

    /// Brings rows where their class wants them: on disk, or among the pending.
    fn keep(&mut self, rows: Rows, revision: u64, class: Class) -> Result<(), DiskError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.revision = revision; // given, whatever happens below
        let now = Instant::now();
        let full = self.pending.rows.len() + rows.len() > self.config.relaxed_max;
        if class == Class::Relaxed && !full && revision <= self.disk.reserved() {
            self.pending.add(rows, now);
            return Ok(());
        }
        let ripe = self.pending.since.is_some_and(|s| now.saturating_duration_since(s) >= self.config.relaxed_ride);
        let bound = class == Class::Relaxed || self.pending.binds(&rows);
        if bound || full || ripe {
            let mut all = self.pending.rows.clone();
            all.extend(rows.iter().map(|(row, event)| (*row, event.clone())));
            match self.commit(&all) {
                Ok(()) => {
                    self.pending = Pending::default();
                    return Ok(());
                }
                Err(error) if bound => return Err(error),
                // Perhaps there is room without the waiting: a deletion that makes room must not fail for them.
                Err(_) => {}
            }
        }
        self.commit(&rows)?;
        rows.keys().for_each(|row| drop(self.pending.rows.remove(row)));
        Ok(())
    }

    fn commit(&mut self, rows: &Rows) -> Result<(), DiskError> {
        let reserve = (self.revision > self.disk.reserved()).then(|| self.revision + self.config.revision_block);
        self.disk.commit(rows, reserve, |c| self.memory.name(c))
    }

    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if let Err(error) = self.commit(&pending.rows) {
            tracing::warn!(error = &error as &dyn std::error::Error, "flush relaxed writes; will try again");
            self.pending = Pending { since: Some(Instant::now()), ..pending };
        }
    }
}

impl Pending {
    fn add(&mut self, rows: Rows, now: Instant) {
        self.gone.extend(rows.values().filter(|e| e.new.is_none()).map(|e| key(e)));
        self.rows.extend(rows);
        self.since.get_or_insert(now);
    }

    /// Whether these rows may only be written together with the pending ones.
    fn binds(&self, rows: &Rows) -> bool {
        !self.gone.is_empty() && rows.values().any(|e| self.gone.contains(&key(e)))
    }
}

fn key(event: &Event) -> (Collection, Box<str>, Box<str>) {
    (event.collection, event.namespace().into(), event.name().into())
}

/// The last event of each row.
fn rows(events: &[Arc<Event>]) -> Rows {
    events.iter().map(|e| (e.row, e.clone())).collect::<BTreeMap<_, _>>()
}

fn fail(waiting: impl Iterator<Item = Waiting>, error: DiskError) {
    tracing::error!(error = &error as &dyn std::error::Error, "commit");
    let error = Arc::new(error);
    for w in waiting {
        w.answer(Err(CommitError { index: 0, kind: CommitErrorKind::Io(error.clone()) }));
    }
}

/// Without its writer a store is a lie: what is on disk may not be in memory, and nobody can tell. The process ends;
/// the next start reads the disk.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
