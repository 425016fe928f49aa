//! Port-forwards: pairs of streams, one for bytes and one for what went wrong.

use std::{collections::HashMap, time::Duration};

use tokio::{io::AsyncWriteExt, sync::mpsc, time::Instant};

use crate::{
    Driver, Io, Pipe, StreamError,
    spdy::{Connection, Role, Stall, Stream, connection},
};

/// One connection to a port of a pod.
#[derive(Debug)]
pub struct Forward {
    /// The port.
    pub port: u16,
    /// Bytes in both directions. `shutdown` it when the pod has said its last.
    pub data: Pipe,
    error: Pipe,
}

impl Forward {
    pub(crate) fn new(port: u16, data: Pipe, error: Pipe) -> Self {
        Self { port, data, error }
    }

    /// Splits the bytes from the end: drop or shut down the first, then call [`ForwardEnd::finish`].
    pub fn split(self) -> (Pipe, ForwardEnd) {
        (self.data, ForwardEnd(self.error))
    }

    /// Ends it with an error: the port does not answer.
    pub async fn fail(self, message: &str) {
        let (data, end) = self.split();
        drop(data);
        end.finish(Err(message)).await;
    }
}

/// The end of a forward.
#[derive(Debug)]
pub struct ForwardEnd(Pipe);

impl ForwardEnd {
    /// Says how it ended.
    pub async fn finish(mut self, result: Result<(), &str>) {
        if let Err(message) = result {
            // A client that is gone needs no message.
            let _ = self.0.write_all(message.as_bytes()).await;
        }
        let _ = self.0.shutdown().await;
    }
}

/// Forwards that wait to be taken.
const WAITING: usize = 16;
/// How long the second stream of a pair may take.
const PAIR: Duration = Duration::from_secs(30);
/// How long a pod may take nothing of what is sent to it before that forward is given up for the others of its client.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// Halves of pairs that wait.
const HALVES: usize = 64;

/// The forwards of one connection, as clients begin them. Ends with the connection.
pub type Forwards = mpsc::Receiver<Forward>;

/// SPDY: streams with `streamType` data or error, a port, and a request id that pairs them.
pub(crate) fn serve(io: impl Io) -> (Forwards, Driver) {
    let (tx, rx) = mpsc::channel(WAITING);
    let (connection, driver) = connection(io, Role::Server, Stall::Cut(STALL));
    let both = Box::pin(async move {
        let pairing = pair(connection, tx);
        let (driver, paired) = tokio::join!(driver, pairing);
        driver.and(paired)
    });
    (rx, both)
}

struct Half {
    port: u16,
    data: Option<Pipe>,
    error: Option<Pipe>,
    since: Instant,
}

async fn pair(connection: Connection, tx: mpsc::Sender<Forward>) -> Result<(), StreamError> {
    let Connection { mut accept, opener } = connection;
    drop(opener);
    let mut halves: HashMap<String, Half> = HashMap::new();
    loop {
        let stream = tokio::select! {
            stream = accept.recv() => stream,
            () = tx.closed() => None,
        };
        let Some(stream) = stream else { return Ok(()) };
        halves.retain(|_, half| half.since.elapsed() < PAIR);
        // A malformed stream ends by being dropped; the others go on.
        let Some((id, port, kind)) = meaning(&stream) else { continue };
        if halves.len() >= HALVES && !halves.contains_key(&id) {
            continue;
        }
        let new = Half { port, data: None, error: None, since: Instant::now() };
        let half = halves.entry(id.clone()).or_insert(new);
        match kind {
            Kind::Data => half.data = Some(stream.io),
            Kind::Error => half.error = Some(stream.io),
        }
        if half.data.is_some()
            && half.error.is_some()
            && let Some(Half { port, data: Some(data), error: Some(error), .. }) = halves.remove(&id)
            && tx.send(Forward { port, data, error }).await.is_err()
        {
            return Ok(());
        }
    }
}

enum Kind {
    Data,
    Error,
}

fn meaning(stream: &Stream) -> Option<(String, u16, Kind)> {
    let port = stream.headers.get("port")?.parse().ok().filter(|p| *p > 0)?;
    let kind = match stream.headers.get("streamType")? {
        "data" => Kind::Data,
        "error" => Kind::Error,
        _ => return None,
    };
    // Very old clients send no id: their streams pair by port.
    let id = stream.headers.get("requestID").map_or_else(|| format!("port {port}"), str::to_owned);
    Some((id, port, kind))
}
