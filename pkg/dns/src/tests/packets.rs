//! Requests as bytes through the handler, without sockets.

use std::net::IpAddr;

use expect_test::expect;
use hickory_proto::{
    op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use proptest::prelude::*;

use super::tools::{ResolvConf, handler, request, words};
use crate::{
    handler::{Handler, Step},
    message::{Transport, encode},
};

const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn say(handler: &Handler, bytes: &[u8], client: &str, transport: Transport) -> String {
    match handler.begin(bytes, client.parse().unwrap(), transport) {
        Step::Drop => "nothing".to_owned(),
        Step::Reply(reply) => words(&reply),
        Step::Ask(_) => "forward".to_owned(),
    }
}

#[test]
fn malformed_and_unwanted_requests() {
    let file = ResolvConf::new(&[]);
    let handler = handler(true, file.settings(53));
    let good = request("kubernetes.default.svc.cluster.local", "A", 0);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut out = String::new();
    let mut put = |what: &str, bytes: &[u8], client: &str| {
        out += &format!("{what}: {}\n", say(&handler, bytes, client, Transport::Udp));
    };
    put("good", &good, "127.0.0.1");
    put("a stranger", &good, "203.0.113.9");
    put("empty", &[], "127.0.0.1");
    put("half a header", &good[..11], "127.0.0.1");
    put("header only", &good[..12], "127.0.0.1");
    put("cut", &good[..good.len() - 1], "127.0.0.1");
    put("a response", &with(2, 0x80), "127.0.0.1");
    put("an update", &with(2, 5 << 3), "127.0.0.1");
    put("an update of a stranger", &with(2, 5 << 3), "203.0.113.9");
    put("no question", &with(5, 0), "127.0.0.1");
    put("65281 questions", &with(4, 0xff), "127.0.0.1");
    put("a pointer to itself", &with(12, 0xc0), "127.0.0.1");
    put("class CHAOS", &with(good.len() - 1, 3), "127.0.0.1");
    expect![[r#"
        good: NoError aa 5=10.43.0.1
        a stranger: Refused
        empty: nothing
        half a header: nothing
        header only: FormErr
        cut: FormErr
        a response: nothing
        an update: NotImp
        an update of a stranger: nothing
        no question: FormErr
        65281 questions: FormErr
        a pointer to itself: FormErr
        class CHAOS: Refused
    "#]]
    .assert_eq(&out);
}

#[test]
fn before_the_cluster_is_known_its_names_fail_but_do_not_deny() {
    let file = ResolvConf::new(&[]);
    let handler = handler(false, file.settings(53));
    for (name, kind, expected) in [
        ("none.default.svc.cluster.local", "A", "ServFail"),
        ("cluster.local", "SOA", "ServFail"),
        ("1.0.43.10.in-addr.arpa", "PTR", "ServFail"),
        ("8.8.8.8.in-addr.arpa", "PTR", "forward"),
        ("example.com", "A", "forward"),
    ] {
        assert_eq!(say(&handler, &request(name, kind, 0), "127.0.0.1", Transport::Udp), expected, "{name}");
    }
}

#[test]
fn negative_answers_carry_the_soa_and_spelling_is_kept() {
    let file = ResolvConf::new(&[]);
    let handler = handler(true, file.settings(53));
    let reply = |name: &str| match handler.begin(&request(name, "A", 1232), POD, Transport::Udp) {
        Step::Reply(reply) => Message::from_vec(&reply).unwrap(),
        other => panic!("{other:?}"),
    };
    let missing = reply("none.shop.svc.cluster.local");
    assert_eq!(missing.response_code, ResponseCode::NXDomain);
    assert_eq!(missing.authorities[0].record_type(), RecordType::SOA);
    assert!(missing.edns.is_some());
    let found = reply("KuberNetes.default.svc.cluster.local");
    assert_eq!(found.answers[0].name.to_ascii(), "KuberNetes.default.svc.cluster.local.");
}

#[test]
fn addresses_take_turns() {
    let file = ResolvConf::new(&[]);
    let handler = handler(true, file.settings(53));
    let ask = || say(&handler, &request("db.shop.svc.cluster.local", "A", 0), "127.0.0.1", Transport::Udp);
    assert_eq!(ask(), "NoError aa 5=10.42.0.5 5=10.42.1.6");
    assert_eq!(ask(), "NoError aa 5=10.42.1.6 5=10.42.0.5");
}

#[test]
fn a_reply_that_does_not_fit_is_cut_and_says_so() {
    let bytes = request("many.shop.svc.cluster.local", "A", 0);
    let question = Message::from_vec(&bytes).unwrap();
    let mut reply = question.into_response();
    for i in 0..5000u16 {
        let name = reply.queries[0].name.clone();
        let [high, low] = i.to_be_bytes();
        reply.add_answer(Record::from_rdata(name, 5, RData::A(A::new(10, 0, high, low))));
    }
    reply.set_edns(Edns::new());
    for (limit, at_least) in [(512, 25), (1232, 70), (65_535, 1500)] {
        let cut = encode(reply.clone(), limit);
        assert!(cut.len() <= limit, "{} of {limit}", cut.len());
        let cut = Message::from_vec(&cut).unwrap();
        assert!(cut.truncation && cut.edns.is_some() && cut.answers.len() > at_least, "{}", cut.answers.len());
    }
    reply.answers.truncate(200);
    let whole = Message::from_vec(&encode(reply, 65_535)).unwrap();
    assert!(!whole.truncation && whole.answers.len() == 200);
}

proptest! {
    /// Whatever comes in, nothing panics, and what goes out is short and decodes.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        replies_well(&bytes);
    }

    /// The same for requests that are nearly right.
    #[test]
    fn damaged_requests(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = request("_https._tcp.kubernetes.default.svc.cluster.local", "SRV", 1232);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        replies_well(&bytes);
    }
}

fn replies_well(bytes: &[u8]) {
    let handler = handler(true, super::tools::nowhere());
    if let Step::Reply(reply) = handler.begin(bytes, POD, Transport::Udp) {
        assert!(reply.len() <= DEFAULT_MAX_PAYLOAD_LEN.into());
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.id.to_be_bytes(), bytes[..2]);
    }
}
