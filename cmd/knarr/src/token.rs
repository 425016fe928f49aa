//! `knarr token`: the tokens machines join with, on the server's host.
//!
//! Bootstrap tokens are Secrets in `kube-system`; they are made and read through the API like anybody's, with the
//! administrator's certificate.

use std::{ffi::OsString, net::IpAddr, time::Duration};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{
    Api as _, ApiExt as _, Reply, Request, Verb,
    remote::{Remote, Target, tls},
    resources::SECRETS,
};
use knarr_daemon::Stop;
use knarr_pki::{BootstrapToken, JoinToken, ca_hash, random_secret};
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Config},
    exit::Fatal,
    flags::{self, Arity},
    input,
    join::{NewToken, TOKEN},
};

const NAMESPACE: &str = "kube-system";
const HELP: &str = "usage: knarr token <command> [flags]

  create [TOKEN]    make a token for joining and print it
      --ttl 24h             how long it is good; 0 for ever
      --description TEXT
      --groups a,b          groups of who shows it [system:bootstrappers:knarr:default-node-token]
      --usages a,b          [authentication,signing]
  list [-o text|json]
  delete ID...      remove tokens by id, or by the whole token
  generate          print a new random token without making it
  rotate [--new-token TEXT]
                    change the server's own token; nodes that joined stay

Flags of the server that say where it is (--data-dir, --prefix, --https-listen-port, --config, …) go here too.
";

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Ask {
    words: Vec<String>,
    ttl: Option<String>,
    description: Option<String>,
    groups: Option<String>,
    usages: Option<String>,
    output: Option<String>,
    new_token: Option<String>,
}

/// Runs a command of `knarr token`.
pub(crate) fn run(
    args: impl Iterator<Item = OsString>,
    runtime: impl FnOnce() -> Result<tokio::runtime::Runtime, Fatal>,
) -> Result<(), Fatal> {
    let (ask, rest) = split(args)?;
    let command = ask.words.first().map_or("", String::as_str);
    match command {
        "" | "help" => {
            print!("{HELP}");
            return Ok(());
        }
        "generate" => {
            println!("{}", BootstrapToken::generate().context("make a token")?);
            return Ok(());
        }
        "create" | "list" | "ls" | "delete" | "rotate" => {}
        other => return Err(usage(format!("there is no command token {other:?}"))),
    }
    let config = config::check(&input::read(rest.into_iter())?)?;
    runtime()?.block_on(async {
        let stop = Stop::new();
        let server = Server::find(&config, &stop)?;
        match command {
            "create" => server.create(&ask).await,
            "delete" => server.delete(&ask.words[1..]).await,
            "rotate" => server.rotate(&ask).await,
            _ => server.list(ask.output.as_deref()).await,
        }
    })
}

fn usage(what: impl Into<String>) -> Fatal {
    Fatal::usage(what, "run `knarr token help`")
}

/// Tells the flags of these commands from those of the server.
fn split(args: impl Iterator<Item = OsString>) -> Result<(Ask, Vec<OsString>), Fatal> {
    let (mut ask, mut rest) = (Ask::default(), Vec::new());
    let mut args = args;
    while let Some(arg) = args.next() {
        let text = arg.to_str().ok_or_else(|| usage(format!("{arg:?} is not UTF-8")))?.to_owned();
        let Some(name) = text.strip_prefix('-') else {
            ask.words.push(text);
            continue;
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        let (name, inline) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v.to_owned())));
        let own = match name {
            "ttl" => Some(&mut ask.ttl),
            "description" => Some(&mut ask.description),
            "groups" => Some(&mut ask.groups),
            "usages" => Some(&mut ask.usages),
            "o" | "output" => Some(&mut ask.output),
            "new-token" => Some(&mut ask.new_token),
            _ => None,
        };
        let mut value = || match &inline {
            Some(value) => Ok(value.clone()),
            None => {
                args.next().and_then(|v| v.into_string().ok()).ok_or_else(|| usage(format!("--{name} needs a value")))
            }
        };
        if let Some(place) = own {
            *place = Some(value()?);
            continue;
        }
        let takes = flags::find(name).is_some_and(|f| f.arity != Arity::Switch) && inline.is_none();
        let value = if takes { Some(value()?) } else { None };
        rest.push(arg);
        rest.extend(value.map(OsString::from));
    }
    Ok((ask, rest))
}

/// The API of the server on this host, as its administrator.
struct Server {
    api: Remote,
    ca: String,
}

impl Server {
    fn find(config: &Config, stop: &Stop) -> Result<Self, Fatal> {
        let dir = config.paths.data.join("server/tls");
        let read = |name: &str| {
            std::fs::read_to_string(dir.join(name)).map_err(|e| {
                Fatal::usage(
                    format!("there is no server in {}: {name}: {e}", config.paths.data.display()),
                    "run this on the server's host, with its --data-dir or --prefix",
                )
            })
        };
        let ca = read("server-ca.crt")?;
        let (cert, key) = (read("client-admin.crt")?, read("client-admin.key")?);
        let mut at = config.api.listen;
        if at.ip().is_unspecified() {
            at.set_ip(IpAddr::from([127, 0, 0, 1]));
        }
        let client = tls::config(&ca, Some((&cert, &key))).context("use the administrator's certificate")?;
        let api = Remote::new(Target::at(at), tokio::sync::watch::channel(client).1, "knarr-token/1", stop);
        Ok(Self { api, ca })
    }

    async fn create(&self, ask: &Ask) -> Result<(), Fatal> {
        let token = match ask.words.get(1) {
            Some(text) => BootstrapToken::parse(text)
                .ok_or_else(|| usage(format!("{text:?} is no token: it must look like abcdef.0123456789abcdef")))?,
            None => BootstrapToken::generate().context("make a token")?,
        };
        let body = secret(&token, ask, Timestamp::now())?;
        self.api.create(&SECRETS, NAMESPACE, body).await.map_err(|e| match e.is(Reason::AlreadyExists) {
            true => Fatal::usage(format!("there is a token with the id {} already", token.id), "delete it first"),
            false => failed(&e),
        })?;
        let full = JoinToken { ca_hash: Some(ca_hash(&self.ca)), user: String::new(), secret: token.to_string() };
        println!("{full}");
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<(), Fatal> {
        if names.is_empty() {
            return Err(usage("token delete needs the id of a token"));
        }
        for name in names {
            let id = name.rsplit("::").next().unwrap_or(name).split('.').next().unwrap_or_default();
            let done = self.api.delete(&SECRETS, NAMESPACE, &format!("bootstrap-token-{id}"), "").await;
            done.map_err(|e| match e.is(Reason::NotFound) {
                true => Fatal::usage(format!("there is no token with the id {id}"), "see `knarr token list`"),
                false => failed(&e),
            })?;
            println!("token {id:?} deleted");
        }
        Ok(())
    }

    async fn list(&self, output: Option<&str>) -> Result<(), Fatal> {
        let request = Request::new(Verb::List, &SECRETS)
            .namespace(NAMESPACE)
            .options(|o| o.field_selector = format!("type={}", BootstrapToken::SECRET_TYPE).into());
        let list = self.api.call(request).await.and_then(Reply::into_list).map_err(|e| failed(&e))?;
        let rows: Vec<Row> = list.items.iter().filter_map(Row::of).collect();
        match output.unwrap_or("text") {
            "json" => println!("{}", serde_json::to_string_pretty(&rows).context("write the list")?),
            "text" => print!("{}", table(&rows, Timestamp::now())),
            other => return Err(usage(format!("there is no output {other:?}"))),
        }
        Ok(())
    }

    async fn rotate(&self, ask: &Ask) -> Result<(), Fatal> {
        let secret = match &ask.new_token {
            Some(text) => text.parse::<JoinToken>().map_err(|e| usage(format!("the new token is wrong: {e}")))?.secret,
            None => random_secret().context("make a secret")?,
        };
        let body = serde_json::to_vec(&NewToken { secret: secret.clone() }).context("write the new token")?;
        let raw = self.api.raw(Method::PUT, TOKEN, Some(body.into())).await.map_err(|e| failed(&e))?;
        if raw.code != 200 {
            return Err(failed(&Status::from_response(raw.code, &raw.body)));
        }
        println!("{}", JoinToken { ca_hash: Some(ca_hash(&self.ca)), user: "server".to_owned(), secret });
        Ok(())
    }
}

fn failed(e: &Status) -> Fatal {
    match e.is(Reason::ServiceUnavailable) {
        true => Fatal::usage(format!("the server does not answer: {e}"), "start it, or correct --https-listen-port"),
        false => anyhow::anyhow!("{e}").into(),
    }
}

/// The Secret of a token.
fn secret(token: &BootstrapToken, ask: &Ask, now: Timestamp) -> Result<Value, Fatal> {
    let mut data = Value::object();
    let mut put = |key: &str, text: &str| data.set(&[key], BASE64.encode(text));
    put("token-id", &token.id);
    put("token-secret", &token.secret);
    let ttl = ask.ttl.as_deref().unwrap_or("24h");
    let ttl = duration(ttl).ok_or_else(|| usage(format!("--ttl {ttl:?} is no duration like 24h or 90m")))?;
    if !ttl.is_zero() {
        let end = now + SignedDuration::try_from(ttl).map_err(|_| usage("--ttl is too long"))?;
        put("expiration", &end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    for used in ask.usages.as_deref().unwrap_or("authentication,signing").split(',').filter(|u| !u.is_empty()) {
        match used {
            "authentication" | "signing" => put(&format!("usage-bootstrap-{used}"), "true"),
            other => return Err(usage(format!("--usages {other:?}: there are authentication and signing"))),
        }
    }
    let groups = ask.groups.as_deref().unwrap_or(BootstrapToken::NODE_GROUP);
    if let Some(bad) = groups.split(',').find(|g| !BootstrapToken::is_group(g)) {
        return Err(usage(format!("--groups {bad:?}: groups of tokens begin with system:bootstrappers:")));
    }
    put("auth-extra-groups", groups);
    if let Some(text) = &ask.description {
        put("description", text);
    }
    Ok(value!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": token.secret_name(), "namespace": NAMESPACE },
        "type": BootstrapToken::SECRET_TYPE,
        "data": data,
    }))
}

/// `24h`, `1h30m`, `45s`, `0`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut seconds, mut number) = (0u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(std::mem::take(&mut number).parse::<u64>().ok()?.checked_mul(unit)?)?;
    }
    (number.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// A token as it is listed.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Row {
    token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    expires: String,
    usages: Vec<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    groups: Vec<String>,
}

impl Row {
    fn of(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Secret {
            data: std::collections::BTreeMap<String, String>,
        }
        let Secret { data } = object.decode().ok()?;
        let text = |key: &str| {
            let bytes = data.get(key).and_then(|v| BASE64.decode(v).ok()).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        };
        let is = |usage: &str| text(&format!("usage-bootstrap-{usage}")) == "true";
        Some(Self {
            token: format!("{}.{}", text("token-id"), text("token-secret")),
            expires: text("expiration"),
            usages: ["authentication", "signing"].into_iter().filter(|u| is(u)).collect(),
            description: text("description"),
            groups: text("auth-extra-groups").split(',').filter(|g| !g.is_empty()).map(str::to_owned).collect(),
        })
    }
}

fn table(rows: &[Row], now: Timestamp) -> String {
    let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    let mut lines = vec![["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"].map(str::to_owned)];
    for row in rows {
        let left = row.expires.parse::<Timestamp>().ok().map(|end| end.duration_since(now).as_secs());
        let left = match left {
            None => "<forever>".to_owned(),
            Some(seconds) if seconds <= 0 => "<expired>".to_owned(),
            Some(seconds) if seconds >= 3600 => format!("{}h", seconds / 3600),
            Some(seconds) if seconds >= 60 => format!("{}m", seconds / 60),
            Some(seconds) => format!("{seconds}s"),
        };
        lines.push([
            row.token.clone(),
            left,
            or(row.expires.clone(), "<never>"),
            or(row.usages.join(","), "<none>"),
            or(row.description.clone(), "<none>"),
            or(row.groups.join(","), "<none>"),
        ]);
    }
    let width = |column: usize| lines.iter().map(|l| l[column].len()).max().unwrap_or(0) + 3;
    let mut out = String::new();
    for line in &lines {
        let text: String = line.iter().enumerate().map(|(i, cell)| format!("{cell:<0$}", width(i))).collect();
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_command_are_told_from_the_servers() {
        let args = ["create", "--ttl=1h", "--prefix", "/x", "abcdef.0123456789abcdef", "-o", "json", "--debug"];
        let (ask, rest) = split(args.iter().map(OsString::from)).unwrap();
        assert_eq!(ask.words, ["create", "abcdef.0123456789abcdef"]);
        assert_eq!((ask.ttl.as_deref(), ask.output.as_deref()), (Some("1h"), Some("json")));
        assert_eq!(rest, ["--prefix", "/x", "--debug"]);
        assert!(split(["create", "--ttl"].iter().map(OsString::from)).is_err());
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("24h", Some(86400)),
            ("1h30m", Some(5400)),
            ("45s", Some(45)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("h", None),
            ("1d", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_secs()), want, "{text}");
        }
    }

    #[test]
    fn a_token_is_listed_as_it_was_made() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let token = BootstrapToken::parse("abcdef.0123456789abcdef").unwrap();
        let ask = Ask { description: Some("for the rack".into()), ..Ask::default() };
        let mut json = Vec::new();
        knarr_api::json::write(&secret(&token, &ask, now).unwrap(), &mut json);
        let row = Row::of(&Object::from_json(json.into()).unwrap()).unwrap();
        assert_eq!(
            table(&[row], now),
            "TOKEN                     TTL   EXPIRES                USAGES                   DESCRIPTION    EXTRA GROUPS
abcdef.0123456789abcdef   24h   2026-01-02T00:00:00Z   authentication,signing   for the rack   system:bootstrappers:knarr:default-node-token
"
        );
        for bad in [
            Ask { ttl: Some("soon".into()), ..Ask::default() },
            Ask { usages: Some("eating".into()), ..Ask::default() },
            Ask { groups: Some("system:masters".into()), ..Ask::default() },
        ] {
            assert!(secret(&token, &bad, now).is_err(), "{bad:?}");
        }
    }
}
