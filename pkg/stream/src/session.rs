//! A session: what every exec and attach protocol ends in.

use std::time::Duration;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, mpsc, oneshot},
};

use crate::{Outcome, PIPE, Pipe, pump::next_piece};

/// Which streams were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error; a terminal has none of its own.
    pub stderr: bool,
    /// Whether there is a terminal, and so sizes of it.
    pub tty: bool,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Sizes that wait. When there are more, the newest is lost; a terminal being dragged sends another at once.
const SIZES: usize = 16;

/// The serving side: reads what the client types, writes what the command says, and finishes with its outcome.
#[derive(Debug)]
pub struct Session {
    /// To read from.
    pub stdin: Option<Pipe>,
    /// To write to.
    pub stdout: Option<Pipe>,
    /// To write to.
    pub stderr: Option<Pipe>,
    /// New sizes of the terminal; ends with the connection.
    pub resize: mpsc::Receiver<Size>,
    /// What was typed and read already, see [`Self::is_silent`].
    typed: BytesMut,
    outcome: oneshot::Sender<Outcome>,
}

impl Session {
    /// Ends the session: what was written goes out first, then the outcome. Streams taken out of the session must have been
    /// dropped by then.
    pub fn finish(self, outcome: Outcome) {
        let Self { stdin, stdout, stderr, resize, outcome: tx, typed: _ } = self;
        drop((stdin, stdout, stderr, resize));
        // The client may have gone.
        let _ = tx.send(outcome);
    }
}

/// The asking side: writes what the user types, reads what the command says, and learns the outcome.
#[derive(Debug)]
pub struct ClientSession {
    /// To write to; dropping it is end of input.
    pub stdin: Option<Pipe>,
    /// To read from.
    pub stdout: Option<Pipe>,
    /// To read from.
    pub stderr: Option<Pipe>,
    /// New sizes of the terminal.
    pub resize: mpsc::Sender<Size>,
    outcome: oneshot::Receiver<Outcome>,
}

impl ClientSession {
    /// How it ended; waits for the end.
    pub async fn outcome(self) -> Outcome {
        let Self { stdin, stdout, stderr, resize, outcome } = self;
        let end = outcome.await.unwrap_or_else(|_| Outcome::failure("the connection to the command was lost"));
        drop((stdin, stdout, stderr, resize));
        end
    }
}

/// The driver's side of a session, whichever direction it has.
#[derive(Debug)]
pub(crate) struct Ends<R, O> {
    pub(crate) stdin: Option<Pipe>,
    pub(crate) stdout: Option<Pipe>,
    pub(crate) stderr: Option<Pipe>,
    pub(crate) resize: R,
    pub(crate) outcome: O,
}

/// What drives a [`Session`].
pub(crate) type ServerEnds = Ends<mpsc::Sender<Size>, oneshot::Receiver<Outcome>>;
/// What drives a [`ClientSession`].
pub(crate) type ClientEnds = Ends<mpsc::Receiver<Size>, oneshot::Sender<Outcome>>;

type Two = (Option<Pipe>, Option<Pipe>);

fn pipe(wanted: bool) -> Two {
    if wanted {
        let (a, b) = tokio::io::duplex(PIPE);
        (Some(a), Some(b))
    } else {
        (None, None)
    }
}

impl Options {
    /// Whether there is an own stream for errors.
    pub(crate) fn has_stderr(&self) -> bool {
        self.stderr && !self.tty
    }

    pub(crate) fn server(&self) -> (Session, ServerEnds) {
        let [(stdin, a), (stdout, b), (stderr, c)] = [pipe(self.stdin), pipe(self.stdout), pipe(self.has_stderr())];
        let (size, resize) = mpsc::channel(SIZES);
        let (tx, rx) = oneshot::channel();
        let ends = Ends { stdin: a, stdout: b, stderr: c, resize: size, outcome: rx };
        (Session { stdin, stdout, stderr, resize, typed: BytesMut::new(), outcome: tx }, ends)
    }

    pub(crate) fn client(&self) -> (ClientSession, ClientEnds) {
        let [(stdin, a), (stdout, b), (stderr, c)] = [pipe(self.stdin), pipe(self.stdout), pipe(self.has_stderr())];
        let (resize, size) = mpsc::channel(SIZES);
        let (tx, rx) = oneshot::channel();
        let ends = Ends { stdin: a, stdout: b, stderr: c, resize: size, outcome: tx };
        (ClientSession { stdin, stdout, stderr, resize, outcome: rx }, ends)
    }
}

/// What the end of a client's input is to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The end of its own input.
    Passed,
    /// Nothing: its input stays open for others. A client that never typed anything only watches, until the command
    /// ends; one that did is let go when it has its answer: when the command has been silent for a moment.
    Kept,
}

/// A command that said nothing for so long has answered what was typed.
const SILENCE: Duration = Duration::from_secs(2);

/// Joins a client's session with the one that serves it, until the command ends or the client goes away.
pub async fn splice(mut client: Session, mut server: ClientSession, ending: Ending) {
    let said = Notify::new();
    let (begun, typed, stdin) = (std::mem::take(&mut client.typed), client.stdin.take(), server.stdin.take());
    let answered = async {
        match ending {
            Ending::Passed => drop(pass(&begun, typed, stdin).await),
            Ending::Kept => return keep(&begun, typed, stdin, &said).await,
        }
        std::future::pending().await
    };
    let output = relay(server.stdout.take(), client.stdout.take(), &said);
    let errors = relay(server.stderr.take(), client.stderr.take(), &said);
    let (resize, mut sizes) = (server.resize.clone(), std::mem::replace(&mut client.resize, mpsc::channel(1).1));
    let terminal = async {
        while let Some(size) = sizes.recv().await {
            let _ = resize.try_send(size);
        }
    };
    // The end of input or of sizes is no end of the session; the outcome is, once all output is through.
    let work = async {
        tokio::join!(output, errors);
        server.outcome().await
    };
    let never = async {
        terminal.await;
        std::future::pending::<()>().await;
    };
    let gone = client.outcome_gone();
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        () = answered => Some(Outcome::Success),
        () = never => None,
        () = gone => None,
    };
    if let Some(outcome) = outcome {
        client.finish(outcome);
    }
}

/// Copies what the command says, and tells of each piece.
async fn relay(from: Option<Pipe>, to: Option<Pipe>, said: &Notify) {
    let (Some(mut from), Some(mut to)) = (from, to) else { return };
    let mut buffer = BytesMut::new();
    while let Some(bytes) = next_piece(&mut from, &mut buffer).await {
        said.notify_one();
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Copies what is typed, and waits until it has been answered; see [`Ending::Kept`]. The command's input is not ended.
async fn keep(begun: &[u8], from: Option<Pipe>, to: Option<Pipe>, said: &Notify) {
    // Kept open while the answer is waited for.
    let Some(mut to) = to else { return std::future::pending().await };
    match forward(begun, from, &mut to).await {
        Ok(1..) => while tokio::time::timeout(SILENCE, said.notified()).await.is_ok() {},
        // Nothing was typed, or nobody reads it: what there is to see goes on.
        Ok(0) | Err(_) => std::future::pending().await,
    }
}

/// Copies what is typed, and its end. Either side may go at any time; the outcome says what it meant.
async fn pass(begun: &[u8], from: Option<Pipe>, to: Option<Pipe>) -> std::io::Result<()> {
    let Some(mut to) = to else { return Ok(()) };
    let _ = forward(begun, from, &mut to).await;
    to.shutdown().await
}

async fn forward(begun: &[u8], from: Option<Pipe>, to: &mut Pipe) -> std::io::Result<u64> {
    to.write_all(begun).await?;
    let more = match from {
        Some(mut from) => tokio::io::copy(&mut from, to).await?,
        None => 0,
    };
    Ok(more + begun.len() as u64)
}

impl Session {
    /// Whether the client ends its input within `patience` without having typed anything. What it has typed is not lost:
    /// [`splice`] begins with it.
    pub async fn is_silent(&mut self, patience: Duration) -> bool {
        let Some(stdin) = &mut self.stdin else { return true };
        let silent = matches!(tokio::time::timeout(patience, stdin.read_buf(&mut self.typed)).await, Ok(Ok(0)));
        if silent {
            self.stdin = None;
        }
        silent
    }

    /// Resolves when the connection is gone.
    fn outcome_gone(&mut self) -> impl Future<Output = ()> {
        // `closed` borrows; a poll function lets the session be used after it was dropped.
        std::future::poll_fn(|cx| self.outcome.poll_closed(cx))
    }

    /// Resolves when the client is gone: nobody will see the outcome.
    pub async fn client_gone(&mut self) {
        self.outcome_gone().await;
    }
}
