//! Leaves: which values a scalar takes, and their canonical spelling.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use super::words::number;
use crate::{
    Str, Value,
    duration::Duration,
    quantity,
    schema::Scalar,
    time::{self, Precision},
};

/// Why a leaf is refused.
pub(super) enum Refusal {
    /// Another JSON type; the words of what was found.
    Type(String),
    /// The scalar's own words.
    Words(String),
}

/// Brings a leaf to canonical form. `null` is the zero value, as in Go.
pub(super) fn canonical(scalar: Scalar, value: &mut Value) -> Result<(), Refusal> {
    match (scalar, &mut *value) {
        (Scalar::RawExtension | Scalar::Json | Scalar::FieldsV1, _)
        | (Scalar::Bool, Value::Bool(_))
        | (Scalar::Int64, Value::Int(_))
        | (Scalar::String, Value::String(_))
        | (Scalar::IntOrString, Value::String(_))
        | (Scalar::Bytes | Scalar::Time | Scalar::MicroTime, Value::Null) => Ok(()),
        (Scalar::Int32, Value::Int(n)) if i32::try_from(*n).is_ok() => Ok(()),
        (Scalar::Int32 | Scalar::Int64, Value::Int(_) | Value::Float(_)) => {
            Err(Refusal::Type(format!("number {}", number(value))))
        }
        (Scalar::Double, Value::Float(n)) => {
            *value = double(*n);
            Ok(())
        }
        (Scalar::Double, Value::Int(n)) => {
            *value = double(*n as f64);
            Ok(())
        }
        (Scalar::IntOrString, Value::Int(n)) if i32::try_from(*n).is_ok() => Ok(()),
        (Scalar::IntOrString, other) => {
            let found = match &*other {
                n @ (Value::Int(_) | Value::Float(_)) => format!("number {}", number(n)),
                other => other.type_name().to_owned(),
            };
            Err(Refusal::Words(format!("json: cannot unmarshal {found} into Go value of type int32")))
        }
        (Scalar::Quantity, Value::String(text)) => respell(text, |t| quantity::canonical(t.trim())),
        (Scalar::Quantity, n @ (Value::Int(_) | Value::Float(_))) => {
            let spelled = quantity::canonical(&number(n)).map_err(|e| Refusal::Words(e.to_string()))?;
            *n = Value::String(spelled);
            Ok(())
        }
        (Scalar::Quantity, _) => Err(Refusal::Words(quantity::Error::Format.to_string())),
        (Scalar::Time, Value::String(_)) => moment(value, Precision::Second),
        (Scalar::MicroTime, Value::String(_)) => moment(value, Precision::Micro),
        (Scalar::Duration, Value::String(text)) => {
            respell(text, |t| t.parse::<Duration>().map(|d| Str::from(d.to_string())))
        }
        (Scalar::Time | Scalar::MicroTime | Scalar::Duration, other) => {
            let found = other.type_name();
            Err(Refusal::Words(format!("json: cannot unmarshal {found} into Go value of type string")))
        }
        (Scalar::Bytes, Value::String(text)) => {
            respell(text, |t| read_base64(t).map(|bytes| Str::from(STANDARD.encode(bytes))))
        }
        (_, other) => Err(Refusal::Type(other.type_name().to_owned())),
    }
}

fn respell<E: ToString>(text: &mut Str, spell: impl FnOnce(&str) -> Result<Str, E>) -> Result<(), Refusal> {
    *text = spell(text).map_err(|e| Refusal::Words(e.to_string()))?;
    Ok(())
}

fn moment(value: &mut Value, precision: Precision) -> Result<(), Refusal> {
    let spelled = time::canonical(value.as_str().unwrap_or_default(), precision);
    *value = spelled.map_err(|e| Refusal::Words(e.to_string()))?.map_or(Value::Null, Value::String);
    Ok(())
}

/// A double in canonical form: one that prints without fraction or exponent is what it is read back as, an integer.
pub(crate) fn double(n: f64) -> Value {
    // Below 2^53 every integer has a double of its own.
    if n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0 { Value::Int(n as i64) } else { Value::Float(n) }
}

/// Go's decoder passes over line ends and is not strict about the unused bits of the last character.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The bytes of a base64 text; the error is worded as Go's.
pub(crate) fn read_base64(text: &str) -> Result<Vec<u8>, String> {
    let decoded =
        if text.contains(['\r', '\n']) { LENIENT.decode(text.replace(['\r', '\n'], "")) } else { LENIENT.decode(text) };
    decoded.map_err(|e| {
        let at = match e {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}
