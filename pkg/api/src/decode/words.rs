//! How Go's decoder words what does not fit.

use crate::{
    Value,
    schema::{Node, Scalar, Type},
    trail::Trail,
};

/// `json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container`.
///
/// `owner` is the struct whose member the trail last stepped into.
pub(super) fn mismatch(found: &str, ty: Type<'_>, owner: Option<Type<'_>>, trail: &Trail<'_>) -> String {
    let wanted = go_type(ty);
    match owner {
        Some(owner) => {
            let name = owner.name().rsplit('.').next().unwrap_or_default();
            let field = trail.members();
            format!("json: cannot unmarshal {found} into Go struct field {name}.{field} of type {wanted}")
        }
        None => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
    }
}

/// The type as Go prints it: `[]v1.Container`, `map[string]string`.
fn go_type(ty: Type<'_>) -> String {
    match (ty.node(), ty.item()) {
        (Node::List { .. }, Some(item)) => format!("[]{}", go_type(item)),
        (Node::Map { .. }, Some(item)) => format!("map[string]{}", go_type(item)),
        (Node::Struct(_), _) => {
            // Of `io.k8s.api.core.v1.PodSpec` Go shows package and name.
            let name = ty.name();
            let package = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
            name[package..].to_owned()
        }
        (Node::Scalar(scalar), _) => match scalar {
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Double => "float64",
            Scalar::String => "string",
            Scalar::Bytes => "[]uint8",
            Scalar::Quantity => "resource.Quantity",
            Scalar::Time => "v1.Time",
            Scalar::MicroTime => "v1.MicroTime",
            Scalar::Duration => "v1.Duration",
            Scalar::IntOrString => "intstr.IntOrString",
            Scalar::RawExtension => "runtime.RawExtension",
            Scalar::Json => "v1.JSON",
            Scalar::FieldsV1 => "v1.FieldsV1",
        }
        .to_owned(),
        (Node::List { .. } | Node::Map { .. }, None) => String::new(),
    }
}

/// A number as JSON prints it.
pub(super) fn number(value: &Value) -> String {
    let mut out = Vec::new();
    crate::json::write(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
