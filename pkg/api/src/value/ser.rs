//! Rust types → trees.

use std::fmt::Display;

use serde::ser::{self, Impossible, Serialize};

use super::{ConvertError, Map, Str, Value};

impl Serialize for Value {
    fn serialize<S: ser::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(v) => out.serialize_bool(*v),
            Self::Int(v) => out.serialize_i64(*v),
            Self::Float(v) => out.serialize_f64(*v),
            Self::String(v) => out.serialize_str(v),
            Self::Array(items) => out.collect_seq(items),
            Self::Object(map) => map.serialize(out),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: ser::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.iter())
    }
}

/// Makes a tree of anything that serialises.
///
/// # Errors
/// The type has something JSON has not: map keys that are no strings, NaN, infinities.
pub fn to_value<T: Serialize + ?Sized>(from: &T) -> Result<Value, ConvertError> {
    from.serialize(Builder)
}

impl ser::Error for ConvertError {
    fn custom<T: Display>(msg: T) -> Self {
        Self(msg.to_string().into())
    }
}

struct Builder;

type Built = Result<Value, ConvertError>;

impl ser::Serializer for Builder {
    type Ok = Value;
    type Error = ConvertError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    fn serialize_bool(self, v: bool) -> Built {
        Ok(Value::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_i16(self, v: i16) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_i32(self, v: i32) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_i64(self, v: i64) -> Built {
        Ok(Value::Int(v))
    }
    fn serialize_u8(self, v: u8) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_u16(self, v: u16) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_u32(self, v: u32) -> Built {
        Ok(Value::Int(v.into()))
    }
    fn serialize_u64(self, v: u64) -> Built {
        Ok(i64::try_from(v).map_or(Value::Float(v as f64), Value::Int))
    }
    fn serialize_f32(self, v: f32) -> Built {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Built {
        if v.is_finite() { Ok(Value::Float(v)) } else { Err(ser::Error::custom("a number is not finite")) }
    }
    fn serialize_char(self, v: char) -> Built {
        Ok(Value::from(v.encode_utf8(&mut [0; 4]) as &str))
    }
    fn serialize_str(self, v: &str) -> Built {
        Ok(Value::from(v))
    }
    fn serialize_bytes(self, v: &[u8]) -> Built {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        Ok(Value::from(STANDARD.encode(v)))
    }
    fn serialize_none(self) -> Built {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Built {
        v.serialize(self)
    }
    fn serialize_unit(self) -> Built {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Built {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Built {
        Ok(Value::from(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Built {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Built {
        Ok(Value::Object(Map::from_iter([(variant, to_value(v)?)])))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<List, ConvertError> {
        Ok(List { items: Vec::with_capacity(len.unwrap_or(0)), variant: None })
    }
    fn serialize_tuple(self, len: usize) -> Result<List, ConvertError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List, ConvertError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List, ConvertError> {
        Ok(List { items: Vec::with_capacity(len), variant: Some(variant) })
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Entries, ConvertError> {
        Ok(Entries { entries: Vec::with_capacity(len.unwrap_or(0)), key: None, variant: None })
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Entries, ConvertError> {
        self.serialize_map(Some(len))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Entries, ConvertError> {
        Ok(Entries { entries: Vec::with_capacity(len), key: None, variant: Some(variant) })
    }
}

fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        None => value,
        Some(name) => Value::Object(Map::from_iter([(name, value)])),
    }
}

struct List {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

macro_rules! list {
    ($($tr:ident :: $add:ident),*) => { $(
        impl ser::$tr for List {
            type Ok = Value;
            type Error = ConvertError;
            fn $add<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), ConvertError> {
                self.items.push(to_value(v)?);
                Ok(())
            }
            fn end(self) -> Built {
                Ok(in_variant(self.variant, Value::Array(self.items)))
            }
        }
    )* };
}

list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

struct Entries {
    entries: Vec<(Str, Value)>,
    key: Option<Str>,
    variant: Option<&'static str>,
}

impl Entries {
    fn finish(self) -> Value {
        in_variant(self.variant, Value::Object(Map::from_entries(self.entries, |_| {})))
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = ConvertError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ConvertError> {
        self.key = Some(key.serialize(Key)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), ConvertError> {
        let key = self.key.take().ok_or_else(|| <ConvertError as ser::Error>::custom("a map value without key"))?;
        self.entries.push((key, to_value(v)?));
        Ok(())
    }
    fn end(self) -> Built {
        Ok(self.finish())
    }
}

macro_rules! entries {
    ($($tr:ident),*) => { $(
        impl ser::$tr for Entries {
            type Ok = Value;
            type Error = ConvertError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, v: &T) -> Result<(), ConvertError> {
                self.entries.push((Str::const_new(key), to_value(v)?));
                Ok(())
            }
            fn end(self) -> Built {
                Ok(self.finish())
            }
        }
    )* };
}

entries!(SerializeStruct, SerializeStructVariant);

/// Map keys: strings, and what JSON libraries print as strings (integers, booleans, unit variants).
struct Key;

macro_rules! keys {
    ($($name:ident: $ty:ty),*) => { $(
        fn $name(self, v: $ty) -> Result<Str, ConvertError> {
            Ok(Str::from(v.to_string()))
        }
    )* };
}

macro_rules! no_keys {
    ($($name:ident($($arg:ty),*) -> $ok:ty;)*) => { $(
        fn $name(self, $(_: $arg),*) -> Result<$ok, ConvertError> {
            Err(ser::Error::custom("a map key is not a string"))
        }
    )* };
}

type No = Impossible<Str, ConvertError>;

impl ser::Serializer for Key {
    type Ok = Str;
    type Error = ConvertError;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    keys!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_char: char);

    no_keys! {
        serialize_f32(f32) -> Str;
        serialize_f64(f64) -> Str;
        serialize_bytes(&[u8]) -> Str;
        serialize_none() -> Str;
        serialize_unit() -> Str;
        serialize_unit_struct(&'static str) -> Str;
        serialize_seq(Option<usize>) -> No;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct(&'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }

    fn serialize_str(self, v: &str) -> Result<Str, ConvertError> {
        Ok(Str::from(v))
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<Str, ConvertError> {
        v.serialize(self)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Str, ConvertError> {
        Ok(Str::const_new(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<Str, ConvertError> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Str, ConvertError> {
        Err(ser::Error::custom("a map key is not a string"))
    }
}
