//! Atomic changes of the kernel's nftables.
//!
//! Components render *scripts* in nft's own language — values that golden tests can read — and hand them to an [`Nft`].
//! A script is one transaction: all of it or nothing. Each component owns one table and replaces or edits only that;
//! rules of others are never read or changed. Today the scripts go through the `nft` program (3–4 ms a call); a
//! netlink implementation would replace [`Command`] and nothing else.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;

/// Applies scripts.
#[async_trait]
pub trait Nft: Send + Sync + 'static {
    /// Runs one script as one transaction.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn apply(&self, script: &str) -> Result<(), NftError>;
}

/// Why a script was not applied.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The program cannot be run: install nftables.
    #[error("run nft")]
    Run(#[source] std::io::Error),
    /// The kernel or the program refused the script.
    #[error("nft refused: {0}")]
    Refused(String),
}

/// The `nft` program.
#[derive(Debug, Default, Clone, Copy)]
pub struct Command;

#[async_trait]
impl Nft for Command {
    async fn apply(&self, script: &str) -> Result<(), NftError> {
        let mut child = tokio::process::Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(NftError::Run)?;
        let mut stdin = child.stdin.take().expect("stdin was asked for");
        let write = async {
            let written = stdin.write_all(script.as_bytes()).await;
            drop(stdin); // end of the script
            written
        };
        let (written, output) = tokio::join!(write, child.wait_with_output());
        let output = output.map_err(NftError::Run)?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(NftError::Refused(text.lines().take(3).collect::<Vec<_>>().join(" ")));
        }
        written.map_err(NftError::Run)
    }
}

/// Remembers scripts, and fails when told to: for tests.
#[derive(Debug, Default)]
pub struct Recorder {
    scripts: parking_lot::Mutex<Vec<String>>,
    failing: std::sync::atomic::AtomicBool,
}

impl Recorder {
    /// The scripts applied since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.scripts.lock())
    }

    /// From now on scripts are refused, or accepted again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, std::sync::atomic::Ordering::Relaxed);
    }
}

#[async_trait]
impl Nft for Recorder {
    async fn apply(&self, script: &str) -> Result<(), NftError> {
        if self.failing.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(NftError::Refused("told to".to_owned()));
        }
        self.scripts.lock().push(script.to_owned());
        Ok(())
    }
}
