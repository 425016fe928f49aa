//! Messages ↔ channel and bytes. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};
use tokio_tungstenite::tungstenite::Message;

/// How bytes are put into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Binary messages, the channel as a byte.
    Binary,
    /// Text messages, the channel as a digit, then base64.
    Base64,
}

/// The channel that closes others (version 5).
pub(super) const CLOSE: u8 = 255;

impl Encoding {
    pub(super) fn encode(self, channel: u8, bytes: &[u8]) -> Message {
        match self {
            Self::Binary => {
                let mut message = Vec::with_capacity(bytes.len() + 1);
                message.push(channel);
                message.extend_from_slice(bytes);
                Message::binary(message)
            }
            Self::Base64 => {
                let mut text = char::from(b'0' + channel).to_string();
                STANDARD.encode_string(bytes, &mut text);
                Message::text(text)
            }
        }
    }

    /// Bytes without a channel, for protocols of one stream.
    pub(super) fn whole(self, bytes: &[u8]) -> Message {
        match self {
            Self::Binary => Message::binary(bytes.to_vec()),
            Self::Base64 => Message::text(STANDARD.encode(bytes)),
        }
    }

    /// Nothing for empty and malformed messages, and for control messages.
    pub(super) fn decode(self, message: Message) -> Option<(u8, Bytes)> {
        let mut bytes: Bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            _ => return None,
        };
        let first = bytes.try_get_u8().ok()?;
        match self {
            Self::Binary => Some((first, bytes)),
            Self::Base64 => Some((first.checked_sub(b'0')?, STANDARD.decode(&bytes).ok()?.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(Encoding::Binary.encode(1, b"hi"), Message::binary(&b"\x01hi"[..]));
        assert_eq!(Encoding::Base64.encode(1, b"hi"), Message::text("1aGk="));
        for encoding in [Encoding::Binary, Encoding::Base64] {
            for (channel, bytes) in [(0, &b""[..]), (3, b"x"), (9, &[0, 255])] {
                let back = encoding.decode(encoding.encode(channel, bytes));
                assert_eq!(back, Some((channel, Bytes::copy_from_slice(bytes))));
            }
        }
        for bad in
            [Message::binary(Bytes::new()), Message::text("0?"), Message::text("\u{1}"), Message::Ping(Bytes::new())]
        {
            assert_eq!(Encoding::Base64.decode(bad), None);
        }
    }
}
