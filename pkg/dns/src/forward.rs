//! Names of others: asked of the upstream servers, kept for a while.
//!
//! The same question asked twice at once is sent once. That saves packets, and it ends loops: a question that comes
//! back to us waits for itself until its time is over, instead of going round.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hickory_proto::op::{Message, ResponseCode};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use crate::{
    cache::{Cache, Question, grow_old, lifetime},
    exchange::exchange,
    upstreams::{Settings, Upstreams},
};

/// How long answers are waited for: together less than the five seconds after which clients ask again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one server.
    pub(crate) each: Duration,
    /// For all of them.
    pub(crate) all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { each: Duration::from_millis(1500), all: Duration::from_millis(4500) }
    }
}

/// An answer as bytes, once it is there.
type Landed = Option<Arc<[u8]>>;

/// The forwarder.
#[derive(Debug)]
pub(crate) struct Forward {
    patience: Patience,
    upstreams: Mutex<Upstreams>,
    cache: Mutex<Cache>,
    /// Questions on their way; the channel carries the answer, or closes without.
    flights: Mutex<HashMap<Question, watch::Receiver<Landed>>>,
}

/// Who asks first asks for all.
enum Part<'a> {
    First(Flight<'a>),
    Other(watch::Receiver<Landed>),
}

/// A question on its way; taken off the list when dropped, however that comes.
struct Flight<'a> {
    forward: &'a Forward,
    question: &'a Question,
    landed: watch::Sender<Landed>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.forward.flights.lock().remove(self.question);
    }
}

impl Forward {
    pub(crate) fn new(settings: Settings, patience: Patience) -> Self {
        Self {
            patience,
            upstreams: Mutex::new(Upstreams::new(settings)),
            cache: Mutex::default(),
            flights: Mutex::default(),
        }
    }

    /// What is known without asking.
    pub(crate) fn known(&self, question: &Question) -> Option<Message> {
        let (bytes, age) = self.cache.lock().get(question, Instant::now())?;
        let mut answer = Message::from_vec(&bytes).ok()?;
        grow_old(&mut answer, age);
        Some(answer)
    }

    /// The answer of an upstream server, or none: SERVFAIL.
    pub(crate) async fn resolve(&self, question: &Question) -> Option<Message> {
        match self.part(question) {
            Part::Other(mut flight) => {
                let landed = timeout(self.patience.all, flight.wait_for(Option::is_some)).await.ok()?.ok()?;
                let bytes = landed.clone()?;
                drop(landed);
                Message::from_vec(&bytes).ok()
            }
            Part::First(flight) => {
                let answer = timeout(self.patience.all, self.ask_all(question)).await.ok().flatten()?;
                let bytes: Arc<[u8]> = answer.to_vec().ok()?.into();
                if let Some(ttl) = lifetime(&answer, question.kind) {
                    self.cache.lock().put(question.clone(), bytes.clone(), ttl, Instant::now());
                }
                flight.landed.send_replace(Some(bytes));
                Some(answer)
            }
        }
    }

    fn part<'a>(&'a self, question: &'a Question) -> Part<'a> {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(question) {
            return Part::Other(flight.clone());
        }
        let (landed, flight) = watch::channel(None);
        flights.insert(question.clone(), flight);
        Part::First(Flight { forward: self, question, landed })
    }

    /// One server after the other, until one knows. A failure of a server is passed on only if no other does better.
    async fn ask_all(&self, question: &Question) -> Option<Message> {
        let servers: Vec<SocketAddr> = self.upstreams.lock().current(Instant::now());
        let mut failure = None;
        for server in servers {
            match timeout(self.patience.each, exchange(server, question)).await {
                Ok(Ok(answer)) => match answer.response_code {
                    ResponseCode::NoError | ResponseCode::NXDomain => {
                        self.upstreams.lock().prefer(server);
                        return Some(answer);
                    }
                    _ => failure = Some(answer),
                },
                Ok(Err(e)) => tracing::debug!(error = %knarr_daemon::chain(&e), "upstream name server"),
                Err(_) => tracing::debug!(%server, "upstream name server does not answer"),
            }
        }
        failure
    }
}
