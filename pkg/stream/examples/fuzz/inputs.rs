//! Inputs that are almost right: what clients really send, and changes to it.

use knarr_fuzz::Random;
use knarr_stream::spdy::{Encoder, Frame, Headers, headers::Packer};

const NAMES: &[&str] = &["streamType", "port", "requestID", "", "x", "content-length", ":path"];
#[rustfmt::skip]
const VALUES: &[&str] =
    &["error", "stdin", "stdout", "stderr", "resize", "data", "80", "0", "99999", "1", "2", "", "é", "\0"];

fn some_headers(random: &mut Random) -> Headers {
    if random.below(16) == 0 {
        // Compresses a thousandfold: what comes out must be bounded, not what goes in.
        let long = random.pick(VALUES).repeat(random.below(1 << 18));
        return Headers::new([(random.pick(NAMES), long.as_str())]);
    }
    let pairs: Vec<_> = (0..random.below(6)).map(|_| (random.pick(NAMES), random.pick(VALUES))).collect();
    Headers::new(pairs)
}

/// Streams as a client opens and uses them.
pub(crate) fn spdy(random: &mut Random) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    let kinds: &[&str] =
        if random.below(2) == 0 { &["error", "stdin", "stdout", "stderr", "resize"] } else { &["error", "data"] };
    for (id, kind) in (1u32..).step_by(2).zip(kinds) {
        let headers = match random.below(8) {
            0 => some_headers(random),
            _ => Headers::new([("streamType", *kind), ("port", "80"), ("requestID", "0")]),
        };
        // A block that is too large to send is no input.
        let _ = encoder.encode(&Frame::SynStream { id, headers, fin: random.below(4) == 0 }, &mut out);
    }
    for _ in 0..random.below(12) {
        let id = random.below(14) as u32;
        let fin = random.below(3) == 0;
        let frame = match random.below(6) {
            0 => Frame::Reset { id, code: random.below(12) as u32 },
            1 => Frame::Ping(id),
            2 => Frame::GoAway,
            3 => Frame::SynReply { id, fin },
            _ => Frame::Data { id, bytes: random.bytes(40).into(), fin },
        };
        let _ = encoder.encode(&frame, &mut out);
    }
    out
}

/// A compressed header block.
pub(crate) fn packed(random: &mut Random) -> Vec<u8> {
    let mut packer = Packer::default();
    let headers = some_headers(random);
    packer.pack(&headers).unwrap_or_default()
}

/// A header block before compression.
pub(crate) fn block(random: &mut Random) -> Vec<u8> {
    let count = random.below(6) as u32;
    let mut out = count.to_be_bytes().to_vec();
    for _ in 0..count {
        for text in [random.pick(NAMES), random.pick(VALUES)] {
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
    }
    out
}

/// A frame of a client: masked, as they must be.
fn message(opcode: u8, payload: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    out.push(if random.below(16) == 0 { opcode } else { 0x80 | opcode });
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
    }
    let mask = [random.byte(), random.byte(), random.byte(), random.byte()];
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
}

/// Messages of sessions and forwards, in both encodings.
pub(crate) fn websocket(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..1 + random.below(8) {
        let payload = match random.below(6) {
            0 => b"\x04{\"Width\":80,\"Height\":24}".to_vec(),
            1 => vec![255, random.below(6) as u8],
            2 => b"0aGVsbG8=".to_vec(),
            _ => [vec![random.below(6) as u8], random.bytes(300)].concat(),
        };
        let opcode = [0, 1, 2, 2, 2, 2, 8, 9, 10][random.below(9)];
        message(opcode, &payload, random, &mut out);
    }
    out
}

/// SPDY inside messages, cut anywhere.
pub(crate) fn tunnel(random: &mut Random) -> Vec<u8> {
    let (inner, mut out) = (spdy(random), Vec::new());
    let mut rest = inner.as_slice();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((1 + random.below(200)).min(rest.len()));
        message(2, piece, random, &mut out);
        rest = more;
    }
    out
}

/// What a runtime's streaming server answers.
pub(crate) fn answer(random: &mut Random) -> Vec<u8> {
    let head = random.pick(&[
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\nexpired",
        "HTTP/1.0 101\r\n\r\n",
    ]);
    let (mut encoder, mut out) = (Encoder::default(), head.as_bytes().to_vec());
    for _ in 0..random.below(12) {
        let (id, fin) = (random.below(12) as u32, random.below(3) == 0);
        let frame = match random.below(4) {
            0 => Frame::SynReply { id, fin },
            1 => Frame::Data { id, bytes: b"{\"status\":\"Success\"}".to_vec().into(), fin },
            2 => Frame::Reset { id, code: 5 },
            _ => Frame::Data { id, bytes: random.bytes(100).into(), fin },
        };
        let _ = encoder.encode(&frame, &mut out);
    }
    out
}

/// Changes an input a little, mostly where lengths and kinds stand.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const TELLING: [u8; 8] = [0, 1, 3, 0x7f, 0x80, 0xfe, 0xff, 8];
    for _ in 0..1 + random.below(4) {
        let at = random.below(input.len());
        match random.below(8) {
            _ if input.is_empty() => input.extend(other),
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.byte(),
            2 => input[at] = TELLING[random.below(TELLING.len())],
            3 => drop(input.splice(at..at, random.bytes(9))),
            4 => input.truncate(at),
            5 => drop(input.drain(at..(at + 1 + random.below(16)).min(input.len()))),
            6 => {
                let from = random.below(other.len());
                let piece = other[from..(from + 1 + random.below(64)).min(other.len())].to_vec();
                drop(input.splice(at..at, piece));
            }
            _ => {
                let piece = input[at..(at + 1 + random.below(64)).min(input.len())].to_vec();
                drop(input.splice(at..at, piece.repeat(1 + random.below(4))));
            }
        }
    }
    // What grows without end finds nothing but time.
    input.truncate(64 << 10);
}
