//! A private containerd: written, started, adopted, supervised, and ended only when asked.
//!
//! ```text
//!           answers, same hash ──► adopt ─┐
//! look ─────other runs ──► stop it ─┐     ├─► watch ──ended──► wait (back-off) ─┐
//!           nothing runs ───────────┴─► start ◄────────────────────────────────┘
//! ```
//!
//! Containers belong to their shims and live through all of this. knarr's own end changes nothing either: the next
//! knarr adopts. [`shutdown`] is the one way to end everything. Upgrades of knarr therefore never restart a container,
//! and an unchanged containerd is not restarted.

mod config;
pub mod leftovers;
mod process;
mod record;
mod shims;
mod shutdown;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

pub use config::Settings;
use knarr_daemon::{Backoff, Stop, Tasks};
use leftovers::{Kind, Leftovers, Namespaces, Old};
use process::Process;
pub use process::may_lower_oom_score;
use record::{Finding, Record};
use shims::Shims;
pub use shutdown::{Leave, ShutdownError, shutdown};
use tokio::{sync::watch, time::Instant};

use crate::{Cri, CriError, Runtime};

/// How long a containerd may take until it answers. Large content stores need a while.
const ANSWER: Duration = Duration::from_secs(60);
/// How long an adopted one may take to answer.
const ADOPT: Duration = Duration::from_secs(3);
/// How long one may take to end.
const END: Duration = Duration::from_secs(10);
/// How long the helpers of one that was killed (of CNI, of runc, those that start shims) are waited for: what they make
/// after the next one has read its state, that one does not know.
const HELPERS: Duration = Duration::from_secs(3);
/// Up for so long is healthy: the next failure waits shortly again.
const HEALTHY: Duration = Duration::from_secs(60);
/// `sun_path`, with its final zero byte; containerd appends `.ttrpc`.
const SUN_PATH: usize = 108 - 1 - ".ttrpc".len();

/// Why a private containerd does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The run directory must be shorter: permanent.
    #[error("the socket path {} is longer than {SUN_PATH} bytes", .0.display())]
    LongSocket(PathBuf),
    /// There is no such binary: permanent until it is installed.
    #[error("no containerd binary {}", .0.display())]
    NoBinary(PathBuf),
    /// A directory or file could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be started.
    #[error("start {}", binary.display())]
    Start {
        /// The binary.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended while starting; its log tells more.
    #[error("containerd ended ({how}), see {}", log.display())]
    Ended {
        /// Its exit status.
        how: String,
        /// Its log.
        log: PathBuf,
    },
    /// It runs and does not answer.
    #[error("containerd does not answer, see {}", log.display())]
    Silent {
        /// Its log.
        log: PathBuf,
        /// Its last answer.
        source: CriError,
    },
}

/// Whether containerd runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Up {
        /// Its process.
        pid: u32,
        /// Whether it was running before us.
        adopted: bool,
    },
    /// It ended and is being started again.
    Down {
        /// Why.
        reason: String,
    },
}

/// A private containerd that is kept running.
pub struct Containerd {
    socket: PathBuf,
    state: watch::Receiver<State>,
}

impl Containerd {
    /// Adopts the running containerd or starts one, waits until it answers, and keeps it running as a task of `tasks`.
    /// The end of that task leaves containerd alone. Beside what every containerd may forget (shims, network namespaces),
    /// things of the `kinds` are removed when no sandbox needs them.
    pub async fn start(settings: Settings, kinds: Vec<Arc<dyn Kind>>, tasks: &Tasks) -> Result<Self, StartError> {
        let hash = prepare(&settings)?;
        let (socket, state) = (settings.socket(), settings.state());
        let own: [Arc<dyn Kind>; 2] = [Arc::new(Shims::of(&socket, &state)), Arc::new(Namespaces::of(&state))];
        let leftovers = Leftovers::new(&socket, own.into_iter().chain(kinds).collect());
        let (starts, started) = watch::channel(Old::default());
        let starter = Starter { settings, hash, leftovers: leftovers.clone(), starts };
        let (process, adopted) = starter.find_or_start().await?;
        tracing::info!(pid = process.pid(), adopted, "containerd is up");
        let (tx, state) = watch::channel(State::Up { pid: process.pid(), adopted });
        tasks.spawn("containerd", |stop| async move {
            starter.supervise(process, tx, stop).await;
            Ok::<(), knarr_daemon::Error>(())
        });
        tasks.spawn("containerd-leftovers", |stop| async move {
            leftovers.run(started, stop).await;
            Ok::<(), knarr_daemon::Error>(())
        });
        Ok(Self { socket, state })
    }

    /// The socket for CRI, events and images.
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// Whether it runs, and changes of that.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

/// Checks, makes directories, writes the configuration; returns the hash of what would be started.
fn prepare(settings: &Settings) -> Result<String, StartError> {
    let socket = settings.socket();
    if socket.as_os_str().len() > SUN_PATH {
        return Err(StartError::LongSocket(socket));
    }
    if record::find_binary(settings).is_none() {
        return Err(StartError::NoBinary(settings.binary.clone()));
    }
    if settings.restrict_oom_score {
        tracing::warn!(
            "no permission to lower OOM scores: pods are as likely to be killed as the node's own processes"
        );
    }
    let config = settings.render();
    let write = |path: PathBuf, result: io::Result<()>| result.map_err(|source| StartError::Write { path, source });
    for dir in [&settings.root, &settings.run] {
        write(dir.clone(), std::fs::create_dir_all(dir))?;
    }
    write(settings.config_file(), std::fs::write(settings.config_file(), &config))?;
    Ok(record::hash(settings, &config))
}

/// What is needed to start a containerd, again and again.
struct Starter {
    settings: Settings,
    hash: String,
    leftovers: Leftovers,
    /// Told of each start.
    starts: watch::Sender<Old>,
}

impl Starter {
    async fn find_or_start(&self) -> Result<(Process, bool), StartError> {
        let Self { settings, hash, .. } = self;
        let record = Record::read(&settings.record_file());
        match record::judge(record::listener(&settings.socket()), record.as_ref(), hash, process::start_time) {
            Finding::Nothing => {}
            Finding::Ours(pid) => {
                if let Ok(process) = Process::open(pid)
                    && record.is_some_and(|r| r.start_time == process.start_time())
                    && answers(settings, ADOPT).await.is_ok()
                {
                    return Ok((process, true));
                }
                stop_other(pid, "does not answer").await;
            }
            Finding::Other(pid) => stop_other(pid, "was started with another configuration").await,
        }
        self.start().await.map(|process| (process, false))
    }

    /// Starts one and waits until it answers.
    async fn start(&self) -> Result<Process, StartError> {
        let Self { settings, hash, leftovers, starts } = self;
        if let Some(before) = Record::read(&settings.record_file()) {
            process::group_ended(before.pid, HELPERS).await;
        }
        let old = leftovers.old().await;
        let mut process =
            Process::start(settings).map_err(|source| StartError::Start { binary: settings.binary.clone(), source })?;
        let record = Record { pid: process.pid(), start_time: process.start_time(), hash: hash.clone() };
        let path = settings.record_file();
        record.write(&path).map_err(|source| StartError::Write { path, source })?;
        let log = settings.log_file();
        tokio::select! {
            how = process.exited() => Err(StartError::Ended { how, log }),
            answer = answers(settings, ANSWER) => match answer {
                Ok(()) => {
                    starts.send_replace(old);
                    Ok(process)
                }
                Err(source) => {
                    process.stop(END).await;
                    Err(StartError::Silent { log, source })
                }
            }
        }
    }

    /// Until `stop`: watches, and starts again after each end.
    async fn supervise(self, mut process: Process, state: watch::Sender<State>, stop: Stop) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
        loop {
            let since = Instant::now();
            let how = tokio::select! {
                () = stop.cancelled() => return,
                how = process.exited() => how,
            };
            tracing::warn!(how, "containerd ended");
            state.send_replace(State::Down { reason: format!("containerd ended: {how}") });
            if since.elapsed() >= HEALTHY {
                backoff.reset();
            }
            process = loop {
                let delay = backoff.next_delay();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(delay) => {}
                }
                // Not given up half-way when stopped: a started containerd is found by its record.
                match self.start().await {
                    Ok(process) => break process,
                    Err(e) => {
                        let reason = knarr_daemon::chain(&e);
                        tracing::warn!(reason, "containerd does not start");
                        state.send_replace(State::Down { reason });
                    }
                }
            };
            tracing::info!(pid = process.pid(), "containerd is up again");
            state.send_replace(State::Up { pid: process.pid(), adopted: false });
        }
    }
}

async fn stop_other(pid: u32, why: &str) {
    if let Ok(mut process) = Process::open(pid) {
        tracing::info!(pid, why, "stopping the running containerd");
        process.stop(END).await;
    }
}

/// Waits until CRI answers. Asked again at growing intervals: a start takes some 150 ms and is felt by every pod.
async fn answers(settings: &Settings, within: Duration) -> Result<(), CriError> {
    let deadline = Instant::now() + within;
    let mut pause = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));
    loop {
        // A new client each time: a channel that failed waits before it connects again.
        let answer = tokio::time::timeout_at(deadline, async { Cri::new(settings.socket()).version().await }).await;
        let error = match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => CriError::new("Version", tonic::Code::DeadlineExceeded, "no answer"),
        };
        let delay = pause.next_delay();
        if Instant::now() + delay >= deadline {
            return Err(error);
        }
        tokio::time::sleep(delay).await;
    }
}
