//! `runtime.Unknown` behind four magic bytes: how upstream wraps every protobuf object.

use super::{
    Error,
    wire::{Payload, Reader, put_bytes, put_message},
};

/// What every enveloped object starts with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// An object on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apiVersion` of the object.
    pub api_version: &'a str,
    /// `kind` of the object.
    pub kind: &'a str,
    /// Its message.
    pub raw: &'a [u8],
    /// Encoding of `raw`; always empty in practice.
    pub content_encoding: &'a str,
    /// Media type of `raw`; empty for protobuf.
    pub content_type: &'a str,
}

impl<'a> Envelope<'a> {
    /// Opens an envelope.
    ///
    /// # Errors
    /// The magic bytes are missing or what follows is no envelope.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let body = bytes.strip_prefix(MAGIC).ok_or(Error::NoEnvelope)?;
        let mut this = Self::default();
        let mut reader = Reader::new(body);
        while let Some((tag, payload)) = reader.field()? {
            match tag {
                1 => {
                    let mut meta = Reader::new(bytes_of(payload, "typeMeta")?);
                    while let Some((tag, payload)) = meta.field()? {
                        match tag {
                            1 => this.api_version = text_of(payload, "apiVersion")?,
                            2 => this.kind = text_of(payload, "kind")?,
                            _ => {}
                        }
                    }
                }
                2 => this.raw = bytes_of(payload, "raw")?,
                3 => this.content_encoding = text_of(payload, "contentEncoding")?,
                4 => this.content_type = text_of(payload, "contentType")?,
                _ => {}
            }
        }
        Ok(this)
    }

    /// Appends the envelope, magic bytes first.
    pub fn seal(&self, out: &mut Vec<u8>) {
        head(self.api_version, self.kind, out);
        put_bytes(2, self.raw, out);
        put_bytes(3, self.content_encoding.as_bytes(), out);
        put_bytes(4, self.content_type.as_bytes(), out);
    }

    /// Appends an envelope around the message that `raw` appends.
    ///
    /// # Errors
    /// What `raw` says.
    pub fn seal_with<E>(
        api_version: &str,
        kind: &str,
        out: &mut Vec<u8>,
        raw: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        head(api_version, kind, out);
        put_message(2, out, raw)?;
        put_bytes(3, b"", out);
        put_bytes(4, b"", out);
        Ok(())
    }
}

/// Magic bytes and `typeMeta`.
fn head(api_version: &str, kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    let Ok(()) = put_message(1, out, |out| {
        put_bytes(1, api_version.as_bytes(), out);
        put_bytes(2, kind.as_bytes(), out);
        Ok::<_, std::convert::Infallible>(())
    });
}

fn bytes_of<'a>(payload: Payload<'a>, field: &str) -> Result<&'a [u8], Error> {
    match payload {
        Payload::Bytes(bytes) => Ok(bytes),
        other => Err(Error::WireType { wire: other.wire(), field: field.into() }),
    }
}

fn text_of<'a>(payload: Payload<'a>, field: &str) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes_of(payload, field)?).map_err(|_| Error::Utf8 { field: field.into() })
}
