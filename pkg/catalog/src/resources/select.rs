//! What a field selector compares with.

use std::borrow::Cow;

use knarr_api::{Value, schema::Scalar};

use crate::Resource;

impl Resource {
    /// The value of `object` (in the storage face) under the field selector label `label`; `None` where the label
    /// cannot be selected by. Absent booleans and numbers are `false` and `0`, as in Go.
    pub fn selected<'v>(&self, object: &'v Value, label: &str) -> Option<Cow<'v, str>> {
        let path = match label {
            "metadata.name" => label,
            "metadata.namespace" if self.namespaced => label,
            _ => self.selectable.iter().find(|(known, _)| known == label)?.1.as_str(),
        };
        let here = path.split('.').try_fold(object, |value, name| value.get(name));
        Some(match here {
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Bool(on)) => Cow::Borrowed(if *on { "true" } else { "false" }),
            Some(Value::Int(n)) => Cow::Owned(n.to_string()),
            // An event of the newer API names its reporter only.
            None if path == "source.component" => Cow::Borrowed(object.str_at(&["reportingComponent"])),
            _ => Cow::Borrowed(self.zero(path)),
        })
    }

    /// How Go prints the zero value of the member at `path`.
    fn zero(&self, path: &str) -> &'static str {
        let top = self.faces[self.storage].schema.ty();
        let ty = path.split('.').try_fold(top, |ty, name| ty.field(name).map(|f| f.ty()));
        match ty.and_then(|ty| ty.as_scalar()) {
            Some(Scalar::Bool) => "false",
            Some(Scalar::Int32 | Scalar::Int64) => "0",
            _ => "",
        }
    }
}
