//! What the catalogue does with objects that clients sent: defaults, checks, columns, conversions.

use jiff::Timestamp;
use knarr_api::{Value, decode, decode::Validation, default, field, validate};
use knarr_catalog::Convert;

use crate::{codecs, kinds};

pub(crate) fn write(input: &[u8]) {
    let Some((schema, mut object)) = codecs::canonical(input) else { return };
    let Some(resource) = kinds::resource(&object) else { return };
    let (ty, hooks) = (schema.ty(), &resource.hooks);
    let sent = object.clone();
    default::apply(ty, &mut object);
    hooks.default(&mut object);
    let once = object.clone();
    default::apply(ty, &mut object);
    hooks.default(&mut object);
    assert_eq!(object, once, "defaults fill in once");

    hooks.prepare_create(&mut object);
    let mut errors = validate::shape(ty, &object);
    errors.extend(hooks.validate(&object));
    errors.iter().for_each(|e| assert!(!e.to_string().is_empty()));
    let _ = hooks.warnings(&object);
    let _ = hooks.check_name(object.str_at(&["metadata", "name"]));
    let _ = hooks.grace_period(&object, None);
    for sub in ["", "status"] {
        let mut new = sent.clone();
        hooks.prepare_update(&mut new, &object, sub);
        let _ = validate::shape_update(ty, &object, &new);
        let _ = hooks.validate_update(&new, &object, sub);
        let _: field::Errors = hooks.validate_update(&object, &new, sub);
    }
    let now = Timestamp::UNIX_EPOCH;
    resource.columns.iter().for_each(|column| drop((column.cell)(&object, now)));

    let fits = decode::normalise(ty, object.clone(), Validation::Strict);
    assert_eq!(fits.map(|d| d.value).as_ref(), Ok(&object), "hooks leave objects canonical");
    for face in &resource.faces {
        if let Convert::Functions { from_storage, to_storage, .. } = face.convert {
            let mut there = object.clone();
            from_storage(&mut there);
            let fits = decode::normalise(face.schema.ty(), there.clone(), Validation::Strict);
            let same: Result<Value, _> = fits.map(|d| d.value);
            assert_eq!(same.as_ref(), Ok(&there), "conversions leave objects canonical");
            to_storage(&mut there);
            // Other objects are refused before they are stored.
            if errors.is_empty() {
                let mut object = object.clone();
                for side in [&mut there, &mut object] {
                    measured(side);
                    codecs::as_on_the_wire(side);
                }
                assert_eq!(there, object, "conversions lose nothing");
            }
        }
    }
}

/// Brings what was measured to what `autoscaling/v1` has words for: upstream's structs there have some of the current values
/// only, and hold one of them by value, so that what nobody measured comes back as zero. (Targets are checked before they are
/// stored; what was measured is not.)
fn measured(object: &mut Value) {
    /// A source, the current value it always has, and another it may have.
    const SAYS: [(&str, &str, &str); 5] = [
        ("object", "value", "averageValue"),
        ("external", "value", "averageValue"),
        ("pods", "averageValue", ""),
        ("resource", "averageValue", "averageUtilization"),
        ("containerResource", "averageValue", "averageUtilization"),
    ];
    let Some(Value::Array(metrics)) = object.at_mut(&["status", "currentMetrics"]) else { return };
    for metric in metrics {
        for (source, always, maybe) in SAYS {
            if metric.get(source).is_none() {
                continue;
            }
            if metric.at(&[source, "current", always]).is_none() {
                metric.set(&[source, "current", always], "0");
            }
            if let Some(Value::Object(current)) = metric.at_mut(&[source, "current"]) {
                current.retain(|name, _| name == always || name == maybe);
            }
        }
    }
}
