//! One question to one server: over UDP, and over TCP where the answer does not fit.
//!
//! Each question has a socket of its own, connected, with a port the kernel chose at random, and a random number;
//! anything that does not echo number and question is not an answer (RFC 5452).

use std::{io, net::SocketAddr};

use hickory_proto::{
    op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, Query, ResponseCode},
    rr::DNSClass,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::cache::Question;

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The name cannot be asked for.
    #[error("encode the question")]
    Encode(#[source] hickory_proto::ProtoError),
    /// The server is not there.
    #[error("{step} {server}")]
    Io {
        step: &'static str,
        server: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The server does not speak to us.
    #[error("{0} sent something that is no answer")]
    Malformed(SocketAddr),
}

/// Asks `server`. Waits for ever; the caller has the clock.
pub(crate) async fn exchange(server: SocketAddr, question: &Question) -> Result<Message, ExchangeError> {
    let answer = ask(server, question, true).await?;
    // A server from before EDNS.
    if answer.response_code == ResponseCode::FormErr && answer.edns.is_none() {
        return ask(server, question, false).await;
    }
    Ok(answer)
}

async fn ask(server: SocketAddr, question: &Question, edns: bool) -> Result<Message, ExchangeError> {
    let query = query(question, edns);
    let bytes = query.to_vec().map_err(ExchangeError::Encode)?;
    let answer = over_udp(server, &query, &bytes).await?;
    if answer.truncation { over_tcp(server, &query, &bytes).await } else { Ok(answer) }
}

fn query(question: &Question, edns: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = question.checking_disabled;
    message.add_query(Query::query(question.name.clone(), question.kind));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(DEFAULT_MAX_PAYLOAD_LEN).set_dnssec_ok(question.dnssec_ok);
        message.set_edns(edns);
    }
    message
}

async fn over_udp(server: SocketAddr, query: &Message, bytes: &[u8]) -> Result<Message, ExchangeError> {
    let failed = |step| move |source| ExchangeError::Io { step, server, source };
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let any: SocketAddr = any.parse().expect("both are addresses");
    let socket = UdpSocket::bind(any).await.map_err(failed("open a socket for"))?;
    socket.connect(server).await.map_err(failed("connect to"))?;
    socket.send(bytes).await.map_err(failed("send to"))?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed("receive from"))?;
        if let Some(answer) = read(query, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message, bytes: &[u8]) -> Result<Message, ExchangeError> {
    let failed = |step| move |source| ExchangeError::Io { step, server, source };
    let mut stream = TcpStream::connect(server).await.map_err(failed("connect by TCP to"))?;
    let length = u16::try_from(bytes.len()).expect("a question is short");
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await.map_err(failed("send by TCP to"))?;
    let length = stream.read_u16().await.map_err(failed("receive by TCP from"))?;
    let mut buffer = vec![0; length.into()];
    stream.read_exact(&mut buffer).await.map_err(failed("receive by TCP from"))?;
    read(query, &buffer).ok_or(ExchangeError::Malformed(server))
}

/// The bytes as an answer to `query`.
fn read(query: &Message, bytes: &[u8]) -> Option<Message> {
    // More than one question is none of ours, and is not decoded: its number is what decoding allocates by.
    if bytes.get(..2)? != query.id.to_be_bytes() || bytes.get(4..6)? != [0, 1] {
        return None;
    }
    let answer = Message::from_vec(bytes).ok()?;
    let (asked, echoed) = (query.queries.first()?, answer.queries.first()?);
    let same = asked.name == echoed.name && asked.query_type == echoed.query_type;
    let ours = answer.message_type == MessageType::Response && same && echoed.query_class == DNSClass::IN;
    ours.then_some(answer)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    #[test]
    fn only_the_echo_of_the_question_is_an_answer() {
        let name = |text| Name::from_ascii(text).expect("a name");
        let asked = Question { name: name("a.b."), kind: RecordType::A, dnssec_ok: false, checking_disabled: false };
        let asked = query(&asked, true);
        let reply = |change: &dyn Fn(&mut Message)| {
            let mut reply = asked.clone().into_response();
            change(&mut reply);
            read(&asked, &reply.to_vec().unwrap()).is_some()
        };
        assert!(reply(&|_| {}));
        assert!(reply(&|m| m.queries[0].name = name("A.b.")));
        assert!(!reply(&|m| m.metadata.id ^= 1));
        assert!(!reply(&|m| m.metadata.message_type = MessageType::Query));
        assert!(!reply(&|m| m.queries[0].name = name("a.c.")));
        assert!(!reply(&|m| m.queries[0].query_type = RecordType::AAAA));
        assert!(!reply(&|m| m.queries[0].query_class = DNSClass::CH));
        assert!(!reply(&|m| m.queries.clear()));
        let bytes = asked.clone().into_response().to_vec().unwrap();
        assert!((0..bytes.len()).all(|length| read(&asked, &bytes[..length]).is_none()));
    }
}
