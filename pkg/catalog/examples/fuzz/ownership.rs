//! Apply and field ownership: an input is a list of writes to one object.

use std::collections::BTreeSet;

use knarr_api::{
    Value,
    apply::{self, ApplyError, Write, same_fields},
    decode::{self, Validation},
    default,
    fields::{Element, Set, to_set},
    json::{self, Limits},
    schema::Type,
};
use knarr_fuzz::Random;

use crate::{
    codecs, grow, kinds,
    mutate::{mutate_tree, print},
};

pub(crate) fn story_seed(random: &mut Random) -> Vec<u8> {
    let first = kinds::object(random);
    let schema = kinds::of(&first);
    let steps = (0..1 + random.below(5)).map(|_| {
        let mut object = if random.one_in(3) {
            let mut left = 40;
            grow::value(schema.ty(), random, &mut left)
        } else {
            first.clone()
        };
        for _ in 0..random.below(4) {
            mutate_tree(&mut object, random);
        }
        if let Value::Object(_) = object {
            for name in ["apiVersion", "kind"] {
                object.set(&[name], first.str_at(&[name]));
            }
        }
        // Configurations that do not fit their schema end at once: most shall.
        if random.below(8) > 0
            && let Ok(fitting) = decode::normalise(schema.ty(), object.clone(), Validation::Ignore)
        {
            object = fitting.value;
        }
        let mut step = Value::object();
        step.set(&["how"], random.pick(&["apply", "apply", "force", "update"]));
        step.set(&["as"], random.pick(&["a", "b", "kubectl", ""]));
        step.set(&["sub"], random.pick(&["", "", "", "status"]));
        step.set(&["object"], object);
        step
    });
    let steps = Value::Array(steps.collect());
    print(&steps)
}

/// One write as the registry does it: ownership first, then canonical form and defaults.
struct Step<'a> {
    ty: Type<'static>,
    version: &'a str,
    manager: &'a str,
    sub: &'a str,
    time: String,
}

impl Step<'_> {
    fn write<T>(&self, run: impl FnOnce(&Write<'_>) -> T) -> T {
        let reset = if self.sub.is_empty() { Set::of(&[&["status"]]) } else { Set::of(&[&["spec"]]) };
        run(&Write {
            ty: self.ty,
            manager: self.manager,
            api_version: self.version,
            subresource: self.sub,
            time: &self.time,
            reset: &reset,
            convert: &same_fields,
        })
    }

    /// `None`: the result is not an object of the type.
    fn settle(&self, tree: Value) -> Option<Value> {
        let mut tree = decode::normalise(self.ty, tree, Validation::Ignore).ok()?.value;
        default::apply(self.ty, &mut tree);
        Some(tree)
    }

    fn update(&self, live: Option<&Value>, object: &Value) -> Option<Value> {
        let mut new = self.settle(object.clone())?;
        if new.at(&["metadata", "managedFields"]).is_none()
            && let Some(had) = live.and_then(|l| l.at(&["metadata", "managedFields"]))
        {
            new.set(&["metadata", "managedFields"], had.clone());
        }
        self.write(|w| apply::update(w, live, &mut new));
        let again = {
            let mut again = new.clone();
            self.write(|w| apply::update(w, Some(&new), &mut again));
            again
        };
        assert_eq!(again, new, "an update that changes nothing changes no owner");
        Some(new)
    }

    fn apply(&self, live: Option<&Value>, config: &Value, force: bool) -> Option<Value> {
        let merged = match self.write(|w| apply::apply(w, live, config, force)) {
            Ok(merged) => merged,
            Err(ApplyError::Conflict(_)) if force => panic!("a forced apply has conflicts"),
            Err(_) => return None,
        };
        sane(&merged);
        let once = self.settle(merged)?;
        if once.list_at(&["metadata", "managedFields"]).is_empty() {
            // Nothing is owned: whoever comes next finds an object that nobody tracks.
            return Some(once);
        }
        if says_empty_list(config) || !names_stay(self.ty, config, &once) {
            return Some(once);
        }
        let twice = self.write(|w| apply::apply(w, Some(&once), config, force));
        let twice =
            self.settle(twice.expect("what was applied can be applied again")).expect("it was an object before");
        assert_eq!(essence(&twice), essence(&once), "a second apply changes nothing");
        Some(once)
    }
}

/// An empty list is no field that anybody could own: a first apply may take it away with what was around it.
fn says_empty_list(config: &Value) -> bool {
    match config {
        Value::Array(items) => items.is_empty() || items.iter().any(says_empty_list),
        Value::Object(map) => map.iter().any(|(_, inner)| says_empty_list(inner)),
        _ => false,
    }
}

/// Whether the object has all list elements of a configuration under their names. An element that leaves out a key
/// without default gets another name, with the zero value as key; validation refuses most of these.
fn names_stay(ty: Type<'_>, config: &Value, object: &Value) -> bool {
    let there = to_set(ty, object);
    let mut stay = true;
    to_set(ty, config).each(&mut |path| {
        let mut keys = path.iter().enumerate().filter(|(_, step)| matches!(step, Element::Key(..)));
        stay = stay && keys.all(|(at, _)| there.has(&path[..=at]));
    });
    stay
}

/// Object and entries without what may differ: the times of the entries, and whether an empty list is null, for it is
/// no field that anybody could own.
fn essence(object: &Value) -> [Value; 2] {
    let mut object = object.clone();
    let mut entries = object.remove(&["metadata", "managedFields"]).unwrap_or_default();
    entries.as_array_mut().into_iter().flatten().for_each(|entry| drop(entry.remove(&["time"])));
    codecs::as_on_the_wire(&mut object);
    [object, entries]
}

/// The entries can be read, are spelled canonically, and no two are of one manager.
fn sane(object: &Value) {
    let mut seen = BTreeSet::new();
    for entry in object.list_at(&["metadata", "managedFields"]) {
        let stored = entry.get("fieldsV1").expect("an entry has fields");
        let set = Set::from_value(stored).expect("an entry's fields can be read");
        assert_eq!(set.to_value(), *stored, "an entry's fields are spelled canonically");
        assert_eq!(Set::from_json(set.to_json().as_bytes()), Ok(set));
        let text = |name: &str| entry.str_at(&[name]).to_owned();
        let version = if text("operation") == "Apply" { String::new() } else { text("apiVersion") };
        assert!(
            seen.insert((text("manager"), text("operation"), version, text("subresource"))),
            "a manager stands twice"
        );
    }
}

pub(crate) fn story(input: &[u8]) {
    let limits = Limits::default();
    let Ok(parsed) = json::parse(input, &Limits { depth: limits.depth + 2, ..limits }) else { return };
    let steps = parsed.value.as_array().unwrap_or_default();
    let Some(first) = steps.first().and_then(|step| step.get("object")) else { return };
    let (ty, version) = (kinds::of(first).ty(), first.str_at(&["apiVersion"]));
    if version.is_empty() {
        return;
    }
    let mut live: Option<Value> = None;
    for (second, step) in steps.iter().enumerate().take(12) {
        let Some(object) = step.get("object") else { continue };
        if !matches!(object, Value::Object(_)) {
            continue;
        }
        let write = Step {
            ty,
            version,
            manager: step.str_at(&["as"]),
            sub: step.str_at(&["sub"]),
            time: format!("2026-01-01T00:00:{second:02}Z"),
        };
        let next = match step.str_at(&["how"]) {
            "update" => write.update(live.as_ref(), object),
            how => write.apply(live.as_ref(), object, how == "force"),
        };
        if let Some(next) = next {
            sane(&next);
            let _ = to_set(ty, &next);
            live = Some(next);
        }
    }
}

/// Two sets of fields.
pub(crate) fn sets_seed(random: &mut Random) -> Vec<u8> {
    let object = kinds::object(random);
    let ty = kinds::of(&object).ty();
    let mut other = object.clone();
    for _ in 0..4 {
        mutate_tree(&mut other, random);
    }
    print(&Value::Array([object, other].iter().map(|o| to_set(ty, o).to_value()).collect()))
}

pub(crate) fn sets(input: &[u8]) {
    let _ = Set::from_json(input);
    let Ok(parsed) = json::parse(input, &Limits::default()) else { return };
    let [a, b] = parsed.value.as_array().unwrap_or_default() else { return };
    let (Ok(a), Ok(mut b)) = (Set::from_value(a), Set::from_value(b)) else { return };
    for set in [&a, &b] {
        assert_eq!(Set::from_value(&set.to_value()).as_ref(), Ok(set));
        assert_eq!(Set::from_json(set.to_json().as_bytes()).as_ref(), Ok(set));
        assert!(set.clone().difference(set).is_empty());
        assert_eq!(set.intersection(set), *set);
    }
    let both = a.clone().union(b.clone());
    assert_eq!(both, b.clone().union(a.clone()));
    assert_eq!(a.clone().difference(&b).union(a.intersection(&b)), a);
    assert_eq!(both.intersection(&a), a);
    assert!(both.difference(&a).difference(&b).is_empty());
    let _ = a.clone().without(&b).leaves();
    let mut steps = 0;
    a.each(&mut |path| steps += usize::from(a.has(path)));
    assert_eq!(steps, a.len());
    b.reconcile(kinds::schemas()[0].2.ty());
}
