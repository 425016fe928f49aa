//! What a plain scalar means.

use crate::{Str, Value, json::Error};

/// The value of an unquoted scalar by the rules of YAML 1.1 as Go's library applies them.
pub(super) fn plain(text: &str) -> Result<Value, Error> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => {
            return Err(Error::syntax("json: unsupported value: not a finite number"));
        }
        _ => {}
    }
    Ok(number(text).unwrap_or_else(|| Value::from(text)))
}

fn number(text: &str) -> Option<Value> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let digits: Str = text.chars().filter(|c| *c != '_').collect();
    integer(&digits).or_else(|| float(&digits))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match body.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &body[2..]),
        [b'0', b'b' | b'B', ..] => (2, &body[2..]),
        [b'0', b'o' | b'O', ..] => (8, &body[2..]),
        [b'0', _, ..] => (8, &body[1..]),
        _ => (10, body),
    };
    if !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let wide = i128::from_str_radix(digits, radix).ok()?;
    let wide = if negative { -wide } else { wide };
    match i64::try_from(wide) {
        Ok(n) => Some(Value::Int(n)),
        Err(_) if u64::try_from(wide).is_ok() => Some(Value::Float(wide as f64)),
        Err(_) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Value> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let well_formed = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['-', '+']).unwrap_or(e);
        !digits.is_empty() && all_digits(digits)
    });
    if !well_formed || !exponent_fits {
        return None;
    }
    let n: f64 = text.parse().ok().filter(|n: &f64| n.is_finite())?;
    // As in JSON, zero has no sign.
    Some(Value::Float(if n == 0.0 { 0.0 } else { n }))
}

/// The string a key becomes.
pub(super) fn key(value: Value) -> Result<Str, Error> {
    match value {
        Value::String(s) => Ok(s),
        Value::Bool(b) => Ok(Str::const_new(if b { "true" } else { "false" })),
        number @ (Value::Int(_) | Value::Float(_)) => {
            let mut out = Vec::new();
            crate::json::write(&number, &mut out);
            Ok(Str::from_utf8_lossy(&out))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Error::syntax(format!(
            "yaml: unsupported map key of type: {}",
            if value.is_null() { "nil" } else { value.type_name() }
        ))),
    }
}
