//! Requests off the wire and replies onto it.
//!
//! What a request may cost is bounded before it is decoded: one question, no records but a few additional ones. What
//! does not decode is answered with FORMERR as far as its header allows; a response is never answered.

use hickory_proto::op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};

/// The longest request that is read.
pub(crate) const MAX_REQUEST: usize = 4096;
const HEADER: usize = 12;
/// OPT, and what else clients put there (TSIG, cookies of the past).
const MAX_ADDITIONAL: u16 = 4;

/// What came off the wire.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing one could reply to.
    Nothing,
    /// Answered with an error, whoever asks.
    Refused(Vec<u8>),
    /// A question.
    Request(Request),
}

/// A question with the circumstances the reply depends on.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) metadata: Metadata,
    pub(crate) query: Query,
    /// The payload size the client offered, where it speaks EDNS, and whether it wants DNSSEC records.
    edns: Option<(u16, bool)>,
}

/// How a request came, and so how long a reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// Reads a request.
pub(crate) fn read(bytes: &[u8]) -> Received {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Received::Nothing };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    if header[2] & 0x80 != 0 {
        return Received::Nothing;
    }
    let (id, op) = (word(0), OpCode::from_u8(header[2] >> 3 & 0xf));
    let refuse = |code| Received::Refused(Message::error_msg(id, op, code).to_vec().unwrap_or_default());
    if op != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    if word(4) != 1 || word(6) != 0 || word(8) != 0 || word(10) > MAX_ADDITIONAL {
        return refuse(ResponseCode::FormErr);
    }
    let Ok(message) = Message::from_vec(bytes) else { return refuse(ResponseCode::FormErr) };
    let Some(query) = message.queries.first().cloned() else { return refuse(ResponseCode::FormErr) };
    let edns = message.edns.as_ref().map(|e| (e.max_payload(), e.flags().dnssec_ok));
    let request = Request { metadata: message.metadata, query, edns };
    if message.version() > 0 {
        return Received::Refused(encode(request.reply(ResponseCode::BADVERS), request.limit(Transport::Udp)));
    }
    Received::Request(request)
}

impl Request {
    /// An empty reply.
    pub(crate) fn reply(&self, code: ResponseCode) -> Message {
        let mut reply = Message::new(self.metadata.id, MessageType::Response, OpCode::Query);
        reply.metadata = Metadata::response_from_request(&self.metadata);
        reply.metadata.recursion_available = true;
        reply.metadata.response_code = code;
        reply.add_query(self.query.clone());
        reply.edns = self.edns.map(|(_, dnssec_ok)| {
            let mut edns = Edns::new();
            edns.set_max_payload(DEFAULT_MAX_PAYLOAD_LEN).set_dnssec_ok(dnssec_ok);
            edns
        });
        reply
    }

    /// Whether the client wants DNSSEC records.
    pub(crate) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok)
    }

    /// How long the reply may be. More than the default payload is not put into a datagram whatever the client offers:
    /// fragments get lost.
    pub(crate) fn limit(&self, transport: Transport) -> usize {
        match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => self.edns.map_or(512, |(size, _)| size.clamp(512, DEFAULT_MAX_PAYLOAD_LEN)).into(),
        }
    }
}

/// Encodes a reply in at most `limit` bytes. Where it is too long it is marked as truncated and keeps as many answers
/// as fit: clients that do not ask again over TCP (musl of old) live on these.
pub(crate) fn encode(mut reply: Message, limit: usize) -> Vec<u8> {
    loop {
        let Ok(bytes) = reply.to_vec() else {
            let code = ResponseCode::ServFail;
            return Message::error_msg(reply.id, OpCode::Query, code).to_vec().unwrap_or_default();
        };
        let count = |at: usize| bytes.get(at..at + 2).map_or(0, |n| usize::from(u16::from_be_bytes([n[0], n[1]])));
        // The encoder has a bound of its own, 64 KiB, and leaves out what is beyond.
        let written = [count(6), count(8), count(10)];
        let Message { answers, authorities, additionals, edns, .. } = &mut reply;
        let whole = written == [answers.len(), authorities.len(), additionals.len() + usize::from(edns.is_some())];
        if whole && bytes.len() <= limit {
            return bytes;
        }
        // What only helps goes first, and goes unsaid.
        if !additionals.is_empty() {
            additionals.clear();
        } else if !authorities.is_empty() && !answers.is_empty() {
            authorities.clear();
        } else {
            let rest = if answers.is_empty() { authorities } else { answers };
            if rest.is_empty() {
                return bytes;
            }
            // In proportion, and at least one less: some records are longer than others.
            let fit = if bytes.len() > limit { rest.len() * limit / bytes.len() } else { written[0] };
            rest.truncate(fit.min(rest.len() - 1));
            reply.metadata.truncation = true;
        }
    }
}
