//! What the user wrote: command line over environment over configuration files over defaults.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use knarr_api::Value;

use crate::{
    exit::Fatal,
    flags::{self, Arity, FLAGS, Fate, Flag},
};

/// Flag values by name. Every used flag that was written or has a default is here.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Input {
    values: BTreeMap<&'static str, Vec<String>>,
    /// One line for each flag that does nothing here.
    pub(crate) warnings: Vec<String>,
}

impl Input {
    /// The value of a flag, empty where nothing was said.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.values.get(name).and_then(|v| v.last()).map_or("", String::as_str)
    }

    /// All values of a list flag.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.one(name) == "true"
    }
}

/// Reads everything the user wrote.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Input, Fatal> {
    let cli = from_args(args)?;
    let env = from_env(|name| std::env::var(name).ok());
    let path = [&cli, &env].iter().find_map(|layer| layer.get("config")).and_then(|v| v.last());
    let files = match path {
        Some(path) => from_files(Path::new(path), true)?,
        None => from_files(Path::new(flags::find("config").map_or("", |f| f.default)), false)?,
    };
    merge(vec![files, env, cli])
}

type Layer = BTreeMap<&'static str, Vec<String>>;

/// Arguments for the controllers, and the one that means something here.
pub(crate) const CONTROLLERS: &str = "kube-controller-manager-arg";
pub(crate) const SIGNING: &str = "cluster-signing-duration=";

/// Later layers win; a list is replaced as a whole.
fn merge(layers: Vec<Layer>) -> Result<Input, Fatal> {
    let mut input = Input::default();
    for f in FLAGS.iter().filter(|f| !f.default.is_empty() && f.fate == Fate::Used) {
        input.values.insert(f.name, vec![f.default.to_owned()]);
    }
    for (name, value) in layers.into_iter().flatten() {
        let flag = flags::find(name).expect("layers hold known flags only");
        match flag.fate {
            Fate::Used => drop(input.values.insert(flag.name, value)),
            Fate::Alias(of) => {
                input.warnings.push(format!("--{name} is old: use --{of}"));
                input.values.insert(of, value);
            }
            Fate::Ignored(why) => input.warnings.push(format!("--{name} does nothing: {why}")),
            Fate::Refused(why) => return Err(Fatal::usage(format!("--{name} cannot be used: {why}"), "leave it out")),
        }
    }
    let unknown = input.all(CONTROLLERS).iter().filter(|text| !text.starts_with(SIGNING));
    let unknown: Vec<_> =
        unknown.map(|text| format!("--{CONTROLLERS} {text} does nothing: only {SIGNING} does")).collect();
    input.warnings.extend(unknown);
    Ok(input)
}

fn push(layer: &mut Layer, flag: &'static Flag, text: &str) {
    let values = layer.entry(flag.name).or_default();
    match flag.arity {
        Arity::List => values.extend(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)),
        Arity::Switch | Arity::Value => *values = vec![text.to_owned()],
    }
}

fn from_args(args: impl Iterator<Item = OsString>) -> Result<Layer, Fatal> {
    let usage = |what: String| Fatal::usage(what, "run `knarr help`");
    let mut parser = lexopt::Parser::from_args(args);
    let mut layer = Layer::new();
    while let Some(arg) = parser.next().map_err(|e| usage(e.to_string()))? {
        let name = match arg {
            lexopt::Arg::Long(name) => name.to_owned(),
            lexopt::Arg::Short(letter) => letter.to_string(),
            lexopt::Arg::Value(text) => return Err(usage(format!("unexpected argument {text:?}"))),
        };
        let flag = flags::find(&name).ok_or_else(|| usage(format!("there is no flag --{name}")))?;
        let value = match flag.arity {
            Arity::Switch => parser.optional_value().unwrap_or_else(|| "true".into()),
            Arity::Value | Arity::List => parser.value().map_err(|e| usage(e.to_string()))?,
        };
        let text = value.into_string().map_err(|raw| usage(format!("--{name} {raw:?} is not UTF-8")))?;
        push(&mut layer, flag, &text);
    }
    Ok(layer)
}

fn from_env(get: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::new();
    for flag in FLAGS.iter().filter(|f| !f.env.is_empty()) {
        let text = get(&format!("KNARR_{}", flag.env)).or_else(|| get(&format!("K3S_{}", flag.env)));
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            push(&mut layer, flag, &text);
        }
    }
    layer
}

/// The file and then `<file>.d/*.yaml` in alphabetical order. Unknown keys are not fatal: other commands read the
/// same file.
fn from_files(path: &Path, must_exist: bool) -> Result<Layer, Fatal> {
    let unreadable = |path: &Path, why: String| {
        Fatal::usage(format!("cannot read the configuration {}: {why}", path.display()), "mend the file or --config")
    };
    let mut files: Vec<PathBuf> = Vec::new();
    if must_exist || path.exists() {
        files.push(path.to_owned());
    }
    let mut dir = path.as_os_str().to_owned();
    dir.push(".d");
    if let Ok(entries) = std::fs::read_dir(&dir) {
        let mut more: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        more.retain(|p| p.extension().is_some_and(|x| x == "yaml"));
        more.sort();
        files.extend(more);
    }
    let mut layer = Layer::new();
    for file in files {
        let text = std::fs::read(&file).map_err(|e| unreadable(&file, e.to_string()))?;
        from_yaml(&text, &mut layer).map_err(|why| unreadable(&file, why))?;
    }
    Ok(layer)
}

/// One configuration file. A `+` after a key appends to what earlier files said.
fn from_yaml(text: &[u8], layer: &mut Layer) -> Result<(), String> {
    let tree = knarr_api::yaml::parse(text, &knarr_api::json::Limits::default()).map_err(|e| e.to_string())?.value;
    let map = match &tree {
        Value::Null => return Ok(()),
        Value::Object(map) => map,
        _ => return Err("it is not a map of flags".to_owned()),
    };
    for (key, value) in map.iter() {
        let (name, append) = key.strip_suffix('+').map_or((key, false), |name| (name, true));
        let Some(flag) = flags::find(name) else { continue };
        if !append {
            layer.remove(flag.name);
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    push(layer, flag, &scalar(name, item)?);
                }
            }
            one => push(layer, flag, &scalar(name, one)?),
        }
    }
    Ok(())
}

fn scalar(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(s) => Ok(s.to_string()),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Int(n) => Ok(n.to_string()),
        Value::Float(n) => Ok(n.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(format!("the value of {name} is neither a scalar nor a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(args: &[&str]) -> Result<Layer, String> {
        from_args(args.iter().map(OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn command_line() {
        let l = args(&["--tls-san", "a,b", "--tls-san=c", "-d", "/x", "--debug"]).unwrap();
        assert_eq!(l["tls-san"], ["a", "b", "c"]);
        assert_eq!((&*l["data-dir"][0], &*l["debug"][0]), ("/x", "true"));
        for bad in [&["--nonsense"][..], &["extra"], &["--data-dir"]] {
            assert!(args(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files_append_only_with_a_plus() {
        let mut l = Layer::new();
        from_yaml(b"tls-san: [a]\nnode-label: x=1\nunknown: 1\n", &mut l).unwrap();
        from_yaml(b"tls-san+: [b]\nnode-label: y=2\ndebug: true\n", &mut l).unwrap();
        assert_eq!((&*l["tls-san"], &*l["node-label"]), (&["a", "b"].map(String::from)[..], &["y=2".to_owned()][..]));
        assert_eq!(l["debug"], ["true"]);
        assert!(from_yaml(b"- a\n", &mut l).is_err());
        assert!(from_yaml(b"", &mut l).is_ok());
    }

    #[test]
    fn layers_and_fates() {
        let file = Layer::from([("data-dir", vec!["/file".to_owned()]), ("tls-san", vec!["f".to_owned()])]);
        let cli = Layer::from([("data-dir", vec!["/cli".to_owned()]), ("no-deploy", vec!["traefik".to_owned()])]);
        let input = merge(vec![file, cli]).unwrap();
        assert_eq!((input.one("data-dir"), input.all("tls-san")), ("/cli", &["f".to_owned()][..]));
        assert_eq!(input.all("disable"), ["traefik"]);
        assert_eq!(input.warnings.len(), 1);
        assert!(merge(vec![Layer::from([("docker", vec!["true".to_owned()])])]).is_err());
    }

    #[test]
    fn environment_falls_back_to_k3s() {
        let env = |name: &str| match name {
            "KNARR_TOKEN" => Some("mine".to_owned()),
            "K3S_TOKEN" => Some("theirs".to_owned()),
            "K3S_NODE_NAME" => Some("n".to_owned()),
            _ => None,
        };
        let l = from_env(env);
        assert_eq!((&*l["token"][0], &*l["node-name"][0]), ("mine", "n"));
    }
}
