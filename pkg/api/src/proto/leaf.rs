//! Scalars on the wire: those with a message of their own, and the plain ones.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{
    Error,
    encode::put_double,
    wire::{FIXED64, Payload, Reader, VARINT, put_bytes, put_message, put_number},
};
use crate::{
    Str, Value,
    decode::scalar::{double, read_base64},
    duration::Duration,
    json::{self, Limits},
    quantity,
    schema::Scalar,
    time::{self, Precision},
};

/// The zero value of a plain member.
pub(super) fn put_zero(tag: u16, scalar: Scalar, out: &mut Vec<u8>) -> Result<(), Error> {
    put(tag, "", scalar, &zero(scalar), out)
}

fn zero(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Bool => Value::Bool(false),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => Value::Int(0),
        Scalar::String => Value::from(""),
        Scalar::Quantity => Value::from("0"),
        Scalar::Duration => Value::from("0s"),
        _ => Value::Null,
    }
}

/// Writes a leaf.
pub(super) fn put(tag: u16, name: &str, scalar: Scalar, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    let bad = |problem: String| Error::Leaf { field: name.into(), problem: problem.into() };
    match (scalar, value) {
        (Scalar::Bool, Value::Bool(v)) => put_number(tag, u64::from(*v), out),
        (Scalar::Int32 | Scalar::Int64, Value::Int(n)) => put_number(tag, n.cast_unsigned(), out),
        (Scalar::Double, Value::Int(n)) => put_double(tag, *n as f64, out),
        (Scalar::Double, Value::Float(n)) => put_double(tag, *n, out),
        (Scalar::String, Value::String(s)) => put_bytes(tag, s.as_bytes(), out),
        (Scalar::Bytes, Value::Null) => {}
        (Scalar::Bytes, Value::String(s)) => put_bytes(tag, &read_base64(s).map_err(bad)?, out),
        (Scalar::Quantity, Value::String(s)) => put_message(tag, out, |out| {
            put_bytes(1, s.as_bytes(), out);
            Ok(())
        })?,
        (Scalar::Time | Scalar::MicroTime, Value::Null) => put_message(tag, out, |_| Ok(()))?,
        (Scalar::Time, Value::String(s)) => {
            let at = time::parse(s, Precision::Second).map_err(|e| bad(e.to_string()))?;
            timestamp(tag, at.as_second(), 0, out)?;
        }
        (Scalar::MicroTime, Value::String(s)) => {
            let at = time::parse(s, Precision::Micro).map_err(|e| bad(e.to_string()))?;
            let nanos = i64::from(at.subsec_nanosecond());
            // The wire wants nanoseconds that count forward.
            let (seconds, nanos) =
                if nanos < 0 { (at.as_second() - 1, nanos + 1_000_000_000) } else { (at.as_second(), nanos) };
            timestamp(tag, seconds, nanos, out)?;
        }
        (Scalar::Duration, Value::String(s)) => {
            let Duration(nanos) = s.parse().map_err(|e: crate::duration::Error| bad(e.to_string()))?;
            put_message(tag, out, |out| {
                put_number(1, nanos.cast_unsigned(), out);
                Ok::<_, Error>(())
            })?;
        }
        (Scalar::IntOrString, Value::Int(n)) => int_or_string(tag, 0, *n, "", out)?,
        (Scalar::IntOrString, Value::String(s)) => int_or_string(tag, 1, 0, s, out)?,
        (Scalar::RawExtension | Scalar::Json | Scalar::FieldsV1, value) => put_message(tag, out, |out| {
            // Upstream keeps null as nil bytes.
            if !value.is_null() {
                put_message(1, out, |out| {
                    json::write(value, out);
                    Ok::<_, Error>(())
                })?;
            }
            Ok::<_, Error>(())
        })?,
        (_, other) => return Err(bad(format!("unexpected {}", other.type_name()))),
    }
    Ok(())
}

fn timestamp(tag: u16, seconds: i64, nanos: i64, out: &mut Vec<u8>) -> Result<(), Error> {
    put_message(tag, out, |out| {
        put_number(1, seconds.cast_unsigned(), out);
        put_number(2, nanos.cast_unsigned(), out);
        Ok(())
    })
}

fn int_or_string(tag: u16, kind: u64, n: i64, text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    put_message(tag, out, |out| {
        put_number(1, kind, out);
        put_number(2, n.cast_unsigned(), out);
        put_bytes(3, text.as_bytes(), out);
        Ok(())
    })
}

/// The wire form of a scalar that stands in its field itself; None for messages and texts.
pub(super) fn packable(scalar: Scalar) -> Option<u8> {
    match scalar {
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => Some(VARINT),
        Scalar::Double => Some(FIXED64),
        _ => None,
    }
}

/// Reads a leaf into its canonical form.
pub(super) fn read(name: &str, scalar: Scalar, payload: Payload<'_>, depth: usize) -> Result<Value, Error> {
    let bad = |problem: String| Error::Leaf { field: name.into(), problem: problem.into() };
    match (scalar, payload) {
        (Scalar::Bool, Payload::Varint(n)) => Ok(Value::Bool(n != 0)),
        (Scalar::Int32, Payload::Varint(n)) => Ok(Value::Int((n as i32).into())),
        (Scalar::Int64, Payload::Varint(n)) => Ok(Value::Int(n.cast_signed())),
        (Scalar::Double, Payload::Fixed64(bits)) => {
            let n = f64::from_bits(bits);
            if !n.is_finite() {
                return Err(bad(format!("unsupported value: {n}")));
            }
            Ok(double(n))
        }
        (Scalar::String, Payload::Bytes(bytes)) => text(name, bytes).map(Value::from),
        (Scalar::Bytes, Payload::Bytes(bytes)) => Ok(Value::from(STANDARD.encode(bytes))),
        (Scalar::Quantity, Payload::Bytes(bytes)) => {
            let inner = Inner::read(name, bytes)?;
            // An empty message is an amount nobody set.
            let given = if inner.first.is_empty() { Str::const_new("0") } else { text(name, inner.first)? };
            quantity::canonical(given.trim()).map(Value::String).map_err(|e| bad(e.to_string()))
        }
        (Scalar::Time, Payload::Bytes(b"")) | (Scalar::MicroTime, Payload::Bytes(b"")) => Ok(Value::Null),
        (Scalar::Time | Scalar::MicroTime, Payload::Bytes(bytes)) => {
            let inner = Inner::read(name, bytes)?;
            let nanos = if scalar == Scalar::Time { 0 } else { inner.numbers[2] as i32 / 1000 * 1000 };
            let at = Timestamp::new(inner.numbers[1].cast_signed(), nanos).map_err(|e| bad(e.to_string()))?;
            if at.as_second() == time::ZERO_SECOND && nanos == 0 {
                return Ok(Value::Null);
            }
            if at.as_second() < time::EARLIEST_SECOND {
                return Err(bad("time before the year 0".to_owned()));
            }
            Ok(Value::String(if scalar == Scalar::Time { time::print(at) } else { time::print_micro(at) }))
        }
        (Scalar::Duration, Payload::Bytes(bytes)) => {
            let nanos = Inner::read(name, bytes)?.numbers[1].cast_signed();
            Ok(Value::from(Duration(nanos).to_string()))
        }
        (Scalar::IntOrString, Payload::Bytes(bytes)) => {
            let inner = Inner::read(name, bytes)?;
            match inner.numbers[1] {
                0 => Ok(Value::Int((inner.numbers[2] as i32).into())),
                1 => text(name, inner.third).map(Value::from),
                _ => Err(bad("impossible IntOrString.Type".to_owned())),
            }
        }
        (Scalar::RawExtension | Scalar::Json | Scalar::FieldsV1, Payload::Bytes(bytes)) => {
            match Inner::read(name, bytes)?.first {
                b"" => Ok(Value::Null),
                raw => json::parse(raw, &Limits { depth, bytes: raw.len() })
                    .map(|parsed| parsed.value)
                    .map_err(|source| Error::Embedded { field: name.into(), source }),
            }
        }
        (_, other) => Err(Error::WireType { wire: other.wire(), field: name.into() }),
    }
}

pub(super) fn text(name: &str, bytes: &[u8]) -> Result<Str, Error> {
    std::str::from_utf8(bytes).map(Str::from).map_err(|_| Error::Utf8 { field: name.into() })
}

/// The small messages of scalars all look alike: numbers and texts under tags 1 to 3.
#[derive(Default)]
struct Inner<'a> {
    /// By tag.
    numbers: [u64; 4],
    first: &'a [u8],
    third: &'a [u8],
}

impl<'a> Inner<'a> {
    fn read(name: &str, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut this = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((tag, payload)) = reader.field()? {
            match (tag, payload) {
                (1..=3, Payload::Varint(n)) => this.numbers[tag as usize] = n,
                (1, Payload::Bytes(b)) => this.first = b,
                (3, Payload::Bytes(b)) => this.third = b,
                (1..=3, other) => return Err(Error::WireType { wire: other.wire(), field: name.into() }),
                _ => {}
            }
        }
        Ok(this)
    }
}
