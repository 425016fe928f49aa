//! From the bytes of a request to the bytes of its reply, without sockets.
//!
//! [`Handler::begin`] never waits: names of the cluster and answers that are kept are replied to in the task that
//! reads the socket. Only what must be asked of others becomes a [`Pending`], which somebody has to finish.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{DNSClass, Name, RData, Record},
};
use parking_lot::RwLock;

use crate::{
    Answer, Zone,
    access::Access,
    answer::{address_of, answer, soa},
    cache::Question,
    forward::Forward,
    message::{Received, Request, Transport, encode, read},
};

/// Answers requests.
pub(crate) struct Handler {
    zone: Arc<RwLock<Zone>>,
    /// Whether the zone has been read whole.
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    access: Access,
    forward: Forward,
    /// Where the next answer starts its list of addresses: many clients use the first only.
    turn: AtomicUsize,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing.
    Drop,
    /// This reply.
    Reply(Vec<u8>),
    /// Others must be asked.
    Ask(Box<Pending>),
}

/// A request that waits for others.
#[derive(Debug)]
pub(crate) struct Pending {
    request: Request,
    limit: usize,
    /// Aliases that lead to the question.
    aliases: Vec<Record>,
    question: Question,
}

impl Handler {
    pub(crate) fn new(
        zone: Arc<RwLock<Zone>>,
        ready: impl Fn() -> bool + Send + Sync + 'static,
        access: Access,
        forward: Forward,
    ) -> Self {
        Self { zone, ready: Box::new(ready), access, forward, turn: AtomicUsize::new(0) }
    }

    /// Whether a client is answered at all.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.access.allows(client)
    }

    /// Replies, or says what is missing.
    pub(crate) fn begin(&self, bytes: &[u8], client: IpAddr, transport: Transport) -> Step {
        let request = match read(bytes) {
            Received::Nothing => return Step::Drop,
            Received::Refused(reply) => return if self.allows(client) { Step::Reply(reply) } else { Step::Drop },
            Received::Request(request) => request,
        };
        let limit = request.limit(transport);
        let error = |code| Step::Reply(encode(request.reply(code), limit));
        if !self.allows(client) {
            return error(ResponseCode::Refused);
        }
        if !(self.ready)() && self.is_ours(&request) {
            return error(ResponseCode::ServFail);
        }
        let zone = self.zone.read();
        let (code, records) = match answer(&zone, &request.query) {
            Answer::Refused => return error(ResponseCode::Refused),
            Answer::Forward => {
                let name = request.query.name.clone();
                drop(zone);
                return self.ask(request, limit, Vec::new(), &name);
            }
            Answer::Chase { records, target } => {
                drop(zone);
                return self.ask(request, limit, records, &target);
            }
            Answer::Records(records) => (ResponseCode::NoError, records),
            Answer::NoData => (ResponseCode::NoError, Vec::new()),
            Answer::NxDomain => (ResponseCode::NXDomain, Vec::new()),
        };
        let mut reply = request.reply(code);
        reply.metadata.authoritative = true;
        if records.is_empty() {
            reply.authorities.extend(soa(&zone));
        }
        drop(zone);
        reply.answers = self.rotated(records);
        Step::Reply(encode(reply, limit))
    }

    /// Asks the upstream servers for what is missing.
    pub(crate) async fn finish(&self, pending: Pending) -> Vec<u8> {
        match self.forward.resolve(&pending.question).await {
            Some(answer) => pending.reply(answer),
            None => pending.failure(),
        }
    }

    fn ask(&self, request: Request, limit: usize, aliases: Vec<Record>, name: &Name) -> Step {
        let question = Question {
            name: name.to_lowercase(),
            kind: request.query.query_type,
            dnssec_ok: request.dnssec_ok(),
            checking_disabled: request.metadata.checking_disabled,
        };
        let known = self.forward.known(&question);
        let pending = Pending { request, limit, aliases, question };
        match known {
            Some(answer) => Step::Reply(pending.reply(answer)),
            None => Step::Ask(Box::new(pending)),
        }
    }

    /// Whether the cluster is asked: then nobody else may answer, and we not before we know. Of addresses we know
    /// which are the cluster's only when we know the cluster; private ones may be.
    fn is_ours(&self, request: &Request) -> bool {
        let name = &request.query.name;
        let private = |ip| match ip {
            IpAddr::V4(ip) => ip.is_private(),
            IpAddr::V6(ip) => ip.is_unique_local(),
        };
        request.query.query_class == DNSClass::IN
            && (self.zone.read().domain().zone_of(name) || address_of(name).is_some_and(private))
    }

    fn rotated(&self, mut records: Vec<Record>) -> Vec<Record> {
        if records.len() > 1 && records.iter().all(|r| matches!(r.data, RData::A(_) | RData::AAAA(_))) {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let length = records.len();
            records.rotate_left(turn % length);
        }
        records
    }
}

impl Pending {
    fn reply(self, answer: Message) -> Vec<u8> {
        let mut reply = self.request.reply(answer.response_code);
        reply.metadata.authentic_data = answer.authentic_data && self.aliases.is_empty();
        reply.answers = self.aliases;
        reply.answers.extend(answer.answers);
        reply.authorities = answer.authorities;
        reply.additionals = answer.additionals;
        encode(reply, self.limit)
    }

    /// SERVFAIL: nobody could be asked, or nobody knew.
    pub(crate) fn failure(&self) -> Vec<u8> {
        encode(self.request.reply(ResponseCode::ServFail), self.limit)
    }
}
