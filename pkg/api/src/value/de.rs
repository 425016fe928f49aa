//! Trees → Rust types.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, Unexpected, VariantAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{ConvertError, Map, Str, Value};

/// Reads a Rust type out of a tree.
///
/// # Errors
/// The tree does not have the shape `T` asks for.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ConvertError> {
    T::deserialize(value)
}

impl de::Error for ConvertError {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        Self(msg.to_string().into())
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        Value::deserialize(from)
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        Ok(i64::try_from(v).map_or(Value::Float(v as f64), Value::Int))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        if v.is_finite() { Ok(Value::Float(v)) } else { Err(E::invalid_value(Unexpected::Float(v), &self)) }
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_string<E: de::Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::from(v))
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = from.next_entry::<Str, Value>()? {
            entries.push(entry);
        }
        Ok(Value::Object(Map::from_entries(entries, |_| {})))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Tree)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Object(map) => Ok(map),
            other => Err(de::Error::custom(format_args!("expected an object, found {}", other.type_name()))),
        }
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = ConvertError;

    fn deserialize_any<V: Visitor<'de>>(self, to: V) -> Result<V::Value, ConvertError> {
        match self {
            Value::Null => to.visit_unit(),
            Value::Bool(v) => to.visit_bool(*v),
            Value::Int(v) => to.visit_i64(*v),
            Value::Float(v) => to.visit_f64(*v),
            Value::String(v) => to.visit_borrowed_str(v),
            Value::Array(items) => {
                let mut seq = de::value::SeqDeserializer::new(items.iter());
                let out = to.visit_seq(&mut seq)?;
                seq.end().map(|()| out)
            }
            Value::Object(map) => {
                let mut entries = de::value::MapDeserializer::new(map.iter());
                let out = to.visit_map(&mut entries)?;
                entries.end().map(|()| out)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, to: V) -> Result<V::Value, ConvertError> {
        if self.is_null() { to.visit_none() } else { to.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, to: V) -> Result<V::Value, ConvertError> {
        to.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        to: V,
    ) -> Result<V::Value, ConvertError> {
        match self {
            Value::String(name) => to.visit_enum(Variant { name, value: None }),
            Value::Object(map) if map.len() == 1 => {
                let (name, value) = map.iter().next().expect("its length is one");
                to.visit_enum(Variant { name, value: Some(value) })
            }
            other => Err(de::Error::custom(format_args!("expected an enum, found {}", other.type_name()))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, to: V) -> Result<V::Value, ConvertError> {
        to.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, ConvertError> for &'de Value {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

struct Variant<'de> {
    name: &'de str,
    value: Option<&'de Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ConvertError;
    type Variant = Self;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ConvertError> {
        let name: de::value::StrDeserializer<'_, ConvertError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn content(self) -> Result<&'de Value, ConvertError> {
        self.value.ok_or_else(|| de::Error::custom(format_args!("variant {} has no content", self.name)))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ConvertError;
    fn unit_variant(self) -> Result<(), ConvertError> {
        match self.value {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(de::Error::custom(format_args!("variant {} has no content", self.name))),
        }
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ConvertError> {
        seed.deserialize(self.content()?)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, to: V) -> Result<V::Value, ConvertError> {
        self.content()?.deserialize_any(to)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], to: V) -> Result<V::Value, ConvertError> {
        self.content()?.deserialize_any(to)
    }
}
