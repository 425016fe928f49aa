//! Streams over one SPDY connection.
//!
//! ```text
//!            ┌ reader: frames → the pipes of streams (waits while a pipe is full)
//! driver ────┼ one pump per stream: pipe → data frames → queue
//!            └ writer: queue → connection
//! ```
//!
//! There are no windows, so the bytes of a stream that nobody takes stand before those of all others. Where streams have
//! nothing to do with each other ([`Stall::Cut`]) such a stream is reset after a while, so that the others go on; where they
//! are parts of one session ([`Stall::Wait`]) the peer has to wait, for none of its bytes may be lost.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
};

use super::{Decoder, Encoder, Frame, Headers, SpdyError};
use crate::{Driver, Io, LINGER, PIPE, Pipe, StreamError, pump::next_piece};

/// Frames that wait to be written. A full queue makes pumps wait.
const QUEUE: usize = 16;
/// Streams of a connection at a time; one more is refused.
const STREAMS: usize = 512;
/// `REFUSED_STREAM`.
const REFUSED: u32 = 3;
/// `FLOW_CONTROL_ERROR`.
const STALLED: u32 = 7;

/// Who opened the connection: clients number their streams oddly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connected.
    Client,
    /// It was connected to.
    Server,
}

/// What becomes of a stream whose reader takes nothing while there is more for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// The whole connection waits.
    Wait,
    /// It is reset after this long.
    Cut(Duration),
}

/// A stream: reads end with the peer's last byte, `shutdown` is our last byte.
#[derive(Debug)]
pub struct Stream {
    /// What it was opened with.
    pub headers: Headers,
    /// Its bytes in both directions.
    pub io: Pipe,
}

/// Opens streams. The connection lives on without it as long as streams do.
#[derive(Clone, Debug)]
pub struct Opener(mpsc::Sender<Open>);

struct Open {
    headers: Headers,
    answer: oneshot::Sender<Stream>,
}

impl Opener {
    /// Opens a stream. Nothing if the connection is gone.
    pub async fn open(&self, headers: Headers) -> Option<Stream> {
        let (answer, opened) = oneshot::channel();
        self.0.send(Open { headers, answer }).await.ok()?;
        opened.await.ok()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Streams that the peer opens. Dropping it refuses further ones.
    pub accept: mpsc::Receiver<Stream>,
    /// Opens our own.
    pub opener: Opener,
}

/// Speaks SPDY over `io`. The driver ends with the connection, or when both parts of [`Connection`] and all streams are
/// dropped and everything is written.
pub fn connection(io: impl Io, role: Role, stall: Stall) -> (Connection, Driver) {
    let (accept_tx, accept) = mpsc::channel(QUEUE);
    let (open_tx, open_rx) = mpsc::channel(QUEUE);
    let driver = Box::pin(drive(io, role, stall, accept_tx, open_rx));
    (Connection { accept, opener: Opener(open_tx) }, driver)
}

async fn drive(
    io: impl Io,
    role: Role,
    stall: Stall,
    accept: mpsc::Sender<Stream>,
    open: mpsc::Receiver<Open>,
) -> Result<(), StreamError> {
    let (mut from, to) = tokio::io::split(io);
    let (queue, frames) = mpsc::channel(QUEUE);
    let streams = Streams {
        role,
        stall,
        last_theirs: 0,
        next_ours: if role == Role::Client { 1 } else { 2 },
        inbound: HashMap::new(),
        outbound: HashMap::new(),
        accept: Some(accept),
        queue: Some(queue),
    };
    // The writer ends when nobody can send any more; then all is said.
    tokio::select! {
        end = write(to, frames) => end?,
        end = serve(&mut from, streams, open) => return end,
    }
    // Closing with unread bytes would cut off what is under way to the peer.
    let mut nowhere = tokio::io::sink();
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut from, &mut nowhere)).await;
    Ok(())
}

async fn write(mut to: WriteHalf<impl Io>, mut frames: mpsc::Receiver<Frame>) -> Result<(), StreamError> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    while let Some(frame) = frames.recv().await {
        out.clear();
        encoder.encode(&frame, &mut out)?;
        while let Ok(frame) = frames.try_recv() {
            encoder.encode(&frame, &mut out)?;
        }
        to.write_all(&out).await?;
        to.flush().await?;
    }
    to.shutdown().await?;
    Ok(())
}

struct Streams {
    role: Role,
    stall: Stall,
    last_theirs: u32,
    next_ours: u32,
    /// Where the bytes of a stream go, until its peer or its reader ends it.
    inbound: HashMap<u32, WriteHalf<Pipe>>,
    /// Pumps by their streams: dropping one of these stops its pump at once.
    outbound: HashMap<u32, oneshot::Sender<Infallible>>,
    accept: Option<mpsc::Sender<Stream>>,
    /// Given up when nothing new can begin; pumps hold their own.
    queue: Option<mpsc::Sender<Frame>>,
}

type Pump = BoxFuture<'static, ()>;

async fn serve(
    from: &mut ReadHalf<impl Io>,
    mut streams: Streams,
    mut open: mpsc::Receiver<Open>,
) -> Result<(), StreamError> {
    let mut pumps: FuturesUnordered<Pump> = FuturesUnordered::new();
    let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::with_capacity(16 << 10));
    let mut opener_lives = true;
    // Reading and handing on is one future that survives the other branches: it may hold a half-delivered piece.
    loop {
        if !opener_lives && pumps.is_empty() && streams.accept.as_ref().is_none_or(mpsc::Sender::is_closed) {
            streams.queue = None;
            return std::future::pending().await;
        }
        buffer.clear();
        let accept_closed = async {
            match &streams.accept {
                Some(accept) => accept.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            n = from.read_buf(&mut buffer) => {
                if n? == 0 {
                    return Ok(());
                }
                decoder.feed(&buffer);
                // Pumps go on while a full pipe makes us wait here: its reader may be waiting for them.
                let handed = async {
                    let mut started = Vec::new();
                    while let Some(frame) = decoder.next_frame()? {
                        started.extend(streams.take(frame).await?);
                    }
                    Ok::<_, StreamError>(started)
                };
                let started = with_pumps(handed, &mut pumps).await?;
                pumps.extend(started);
            }
            request = open.recv(), if opener_lives => match request {
                Some(request) => match with_pumps(streams.open(request), &mut pumps).await {
                    Some(pump) => pumps.push(pump),
                    None => return Ok(()),
                },
                None => opener_lives = false,
            },
            Some(()) = pumps.next(), if !pumps.is_empty() => {}
            () = accept_closed => streams.accept = None,
        }
    }
}

/// Runs `work` while pumps run beside it.
async fn with_pumps<T>(work: impl Future<Output = T>, pumps: &mut FuturesUnordered<Pump>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(()) = pumps.next(), if !pumps.is_empty() => {}
        }
    }
}

impl Streams {
    async fn send(&self, frame: Frame) {
        // The writer ends only with the connection, which the reader notices.
        if let Some(queue) = &self.queue {
            let _ = queue.send(frame).await;
        }
    }

    /// A new stream: our half of its pipe, and what pumps it.
    fn add(&mut self, id: u32, headers: Headers, ended: bool) -> (Stream, Option<Pump>) {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let (read, write) = tokio::io::split(ours);
        if !ended {
            self.inbound.insert(id, write);
        }
        let pump = self.queue.clone().map(|queue| {
            let (alive, ended) = oneshot::channel();
            self.outbound.insert(id, alive);
            Box::pin(pump(id, read, queue, ended)) as Pump
        });
        (Stream { headers, io: theirs }, pump)
    }

    async fn open(&mut self, request: Open) -> Option<Pump> {
        let id = self.next_ours;
        self.next_ours = id.checked_add(2)?;
        self.send(Frame::SynStream { id, headers: request.headers.clone(), fin: false }).await;
        let (stream, pump) = self.add(id, request.headers, false);
        // If nobody waits for it any more, the dropped stream ends itself.
        let _ = request.answer.send(stream);
        pump
    }

    /// Acts on a frame. Returns the pump of a stream that it opened.
    async fn take(&mut self, frame: Frame) -> Result<Option<Pump>, StreamError> {
        match frame {
            Frame::SynStream { id, headers, fin } => return self.accept(id, headers, fin).await,
            Frame::Data { id, bytes, fin } => self.deliver(id, bytes, fin).await,
            Frame::SynReply { id, fin } | Frame::Headers { id, fin } => self.deliver(id, Bytes::new(), fin).await,
            Frame::Reset { id, .. } => self.forget(id),
            Frame::Ping(id) if (id % 2 == 1) == (self.role == Role::Server) => self.send(Frame::Ping(id)).await,
            Frame::Ping(_) | Frame::GoAway | Frame::Other => {}
        }
        Ok(None)
    }

    async fn accept(&mut self, id: u32, headers: Headers, fin: bool) -> Result<Option<Pump>, StreamError> {
        if (id % 2 == 1) != (self.role == Role::Server) || id <= self.last_theirs {
            return Err(SpdyError::StreamId(id).into());
        }
        self.last_theirs = id;
        self.outbound.retain(|_, pump| !pump.is_closed());
        let place = self.accept.clone().filter(|_| self.inbound.len().max(self.outbound.len()) < STREAMS);
        let Some(place) = place.filter(|a| !a.is_closed()) else {
            self.send(Frame::Reset { id, code: REFUSED }).await;
            return Ok(None);
        };
        self.send(Frame::SynReply { id, fin: false }).await;
        let (stream, pump) = self.add(id, headers, fin);
        if place.send(stream).await.is_err() {
            self.inbound.remove(&id);
        }
        Ok(pump)
    }

    /// Ends a stream in both directions: its reader sees the end, its writer a broken pipe.
    fn forget(&mut self, id: u32) {
        self.inbound.remove(&id);
        self.outbound.remove(&id);
    }

    async fn deliver(&mut self, id: u32, bytes: Bytes, fin: bool) {
        // Bytes for a stream that nobody reads are dropped.
        let Some(pipe) = self.inbound.get_mut(&id) else { return };
        let write = pipe.write_all(&bytes);
        let written = match self.stall {
            Stall::Wait => Ok(write.await),
            Stall::Cut(limit) => tokio::time::timeout(limit, write).await,
        };
        let Ok(written) = written else {
            self.forget(id);
            return self.send(Frame::Reset { id, code: STALLED }).await;
        };
        let lost = !bytes.is_empty() && written.is_err();
        if fin {
            let _ = pipe.shutdown().await;
        }
        if fin || lost {
            self.inbound.remove(&id);
        }
    }
}

/// Sends what is written to a stream, then its end; or nothing more once the stream is forgotten.
async fn pump(id: u32, mut from: ReadHalf<Pipe>, queue: mpsc::Sender<Frame>, forgotten: oneshot::Receiver<Infallible>) {
    let work = async {
        let mut buffer = BytesMut::new();
        while let Some(bytes) = next_piece(&mut from, &mut buffer).await {
            if queue.send(Frame::Data { id, bytes, fin: false }).await.is_err() {
                return;
            }
        }
        let _ = queue.send(Frame::Data { id, bytes: Bytes::new(), fin: true }).await;
    };
    tokio::select! {
        () = work => {}
        _ = forgotten => {}
    }
}
