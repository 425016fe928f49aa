//! Requests about resources: decode, registry, encode.
//!
//! A client that goes away cancels what it read. A write that has begun runs to its end in a task of its own: whether
//! it happened must not depend on whether somebody waited.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use http::{Request as HttpRequest, header};
use knarr_api::{Reason, Status, Value};
use knarr_client::{Request, Resource, Verb};
use tokio::sync::oneshot;

use crate::{
    body,
    chain::{Ask, Face, not_found, warn},
    encode::{self, Shape},
    info::Info,
    negotiate::{self, Accept, Format, Offer, View},
    params,
    registry::{Answer, Body as Document, Entry},
    reply::{self, Body, Reply},
    table::{Include, Writer},
    watch::Watcher,
};

/// What a request is about.
struct Subject {
    entry: Arc<Entry>,
    face: usize,
}

impl Subject {
    fn shape(&self) -> Shape<'_> {
        Shape { resource: &self.entry.resource, face: &self.entry.resource.faces[self.face] }
    }

    /// Custom resources have no protobuf.
    fn is_custom(&self) -> bool {
        self.shape().face.schema.ty().name().is_empty()
    }
}

/// Answers.
pub(crate) async fn answer(face: &Arc<Face>, ask: Ask, http: HttpRequest<Body>) -> Result<Reply, Status> {
    let set = face.registry.resources();
    let info = &ask.info;
    let (entry, index) = set.find(&info.group, &info.version, &info.resource).ok_or_else(not_found)?;
    let subject = Subject { entry: entry.clone(), face: index };
    if !is_path_of(info, &subject) {
        return Err(not_found());
    }
    let verb = verb(&ask, &http, &subject)?;
    let offer = Offer { protobuf: !subject.is_custom(), views: true, stream: verb == Verb::Watch };
    let accept = offer.accept(&ask.accept)?;
    let mut request = request(&ask, verb, &subject)?;
    if verb == Verb::Watch {
        return watch(face, &ask, subject, accept, request);
    }
    let include = include(accept.view, &ask)?;
    let warnings = body::read_into(face, &mut request, http).await?;
    let caller = ask.caller.clone();
    let mut answer = match verb {
        Verb::Get | Verb::List => face.registry.execute(&caller, request).await?,
        _ => to_the_end(face, caller, request).await?,
    };
    answer.warnings.splice(0..0, warnings);
    respond(face, &subject, accept, include, answer)
}

/// Whether such a path exists: cluster-scoped objects have no namespace in it, namespaced ones need it, except where
/// all namespaces are listed or watched.
fn is_path_of(info: &Info, subject: &Subject) -> bool {
    match (subject.entry.resource.namespaced, info.namespace.as_str()) {
        (true, "") => !matches!(info.verb.as_str(), "get" | "update" | "patch" | "delete"),
        (true, _) | (false, "") => true,
        (false, namespace) => info.resource == "namespaces" && info.path_name() == namespace,
    }
}

fn verb(ask: &Ask, http: &HttpRequest<Body>, subject: &Subject) -> Result<Verb, Status> {
    let info = &ask.info;
    let named = !info.path_name().is_empty();
    let everywhere = subject.entry.resource.namespaced && info.namespace.is_empty();
    let verb = match info.verb.as_str() {
        "get" => Verb::Get,
        "list" => Verb::List,
        "watch" => Verb::Watch,
        "create" | "deletecollection" if everywhere => return Err(no_method()),
        "create" if !named || !info.subresource.is_empty() => Verb::Create,
        "update" if named => Verb::Update,
        "patch" if named => {
            let media = http.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            Verb::Patch(negotiate::patch_kind(media, !subject.is_custom())?)
        }
        "delete" => Verb::Delete,
        "deletecollection" => Verb::DeleteCollection,
        _ => return Err(no_method()),
    };
    Ok(verb)
}

fn no_method() -> Status {
    Status::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
        .with_details(Default::default())
}

fn request(ask: &Ask, verb: Verb, subject: &Subject) -> Result<Request, Status> {
    let info = &ask.info;
    let resource = Resource {
        group: info.group.clone().into(),
        version: info.version.clone().into(),
        plural: info.resource.clone().into(),
        kind: subject.entry.resource.kind.to_string().into(),
        namespaced: subject.entry.resource.namespaced,
    };
    let mut options = params::options(verb, &ask.query)?;
    let mut name = info.path_name();
    if info.watch_path && !name.is_empty() {
        options.field_selector = format!("metadata.name={name}").into();
        name = "";
    }
    // `/api/v1/namespaces/x` is in the namespace x for authorization, but a Namespace lives in none.
    let namespace = if resource.namespaced { info.namespace.as_str() } else { "" };
    Ok(Request {
        verb,
        namespace: namespace.into(),
        name: name.into(),
        subresource: info.subresource.as_str().into(),
        options,
        body: None,
        resource,
    })
}

fn include(view: View, ask: &Ask) -> Result<Include, Status> {
    if matches!(view, View::Table(_)) { Include::of(&ask.query) } else { Ok(Include::None) }
}

/// Runs a write in a task of its own.
async fn to_the_end(face: &Arc<Face>, caller: crate::Caller, request: Request) -> Result<Answer, Status> {
    let (done, answer) = oneshot::channel();
    let registry = face.registry.clone();
    face.crowd
        .spawn(|_| async move {
            let _ = done.send(registry.execute(&caller, request).await);
        })
        .await;
    answer.await.unwrap_or_else(|_| {
        Err(Status::internal("the request was given up: its task panicked or the server is stopping"))
    })
}

/// Without a wish of the client, a watch lasts between these.
const WATCH_SECONDS: (u64, u64) = (1800, 3600);

fn watch(face: &Arc<Face>, ask: &Ask, subject: Subject, accept: Accept, request: Request) -> Result<Reply, Status> {
    let include = include(accept.view, ask)?;
    let seconds = match request.options.timeout_seconds {
        0 => WATCH_SECONDS.0 + spread(&request) % (WATCH_SECONDS.1 - WATCH_SECONDS.0),
        given => given,
    };
    let events = face.registry.watch(&ask.caller, &request)?;
    let watcher = Watcher::new(subject.entry, subject.face, accept, include, face.clock.clone());
    let pieces = watcher.body(events, Duration::from_secs(seconds), face.stop.clone());
    Ok(reply::reply(200, accept.format.stream_type(), reply::streamed(pieces)))
}

/// Spreads the ends of watches, so that clients do not all come back at once.
fn spread(request: &Request) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(&request.resource)
}

fn respond(face: &Face, subject: &Subject, accept: Accept, include: Include, answer: Answer) -> Result<Reply, Status> {
    let shape = subject.shape();
    let Accept { format, view } = accept;
    let code = if answer.created { 201 } else { 200 };
    let whole = |bytes: bytes::Bytes| reply::reply(code, format.media_type(), reply::full(newline(bytes, format)));
    let writer = |meta| Writer { shape, meta, include, now: (face.clock)() };
    let pieces = |pieces: Vec<bytes::Bytes>| {
        let body = match <[bytes::Bytes; 1]>::try_from(pieces) {
            Ok([one]) => reply::full(one),
            Err(many) => reply::streamed(stream::iter(many).map(Ok)),
        };
        reply::reply(code, format.media_type(), body)
    };
    let mut response = match &answer.body {
        Document::Object(object) => match view {
            View::Table(meta) => whole(writer(meta).object(object, true)?.into()),
            View::PartialList(_) => {
                return Err(Status::new(
                    Reason::NotAcceptable,
                    "you requested PartialObjectMetadataList, but the requested object is not a list",
                ));
            }
            view => whole(encode::object(shape, format, view, object)?),
        },
        Document::List(list) => match view {
            View::Table(meta) => pieces(writer(meta).list(list)?),
            View::Partial(_) => {
                return Err(Status::new(
                    Reason::NotAcceptable,
                    "you requested PartialObjectMetadata, but the requested object is a list",
                ));
            }
            view => pieces(encode::list(shape, format, view, list)?),
        },
        Document::Document(tree) => whole(encode::document(format, tree)?.into()),
        Document::Success(details) => {
            let mut status =
                knarr_api::value!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
            let details = knarr_api::value::to_value(details).map_err(Status::internal)?;
            if details != Value::object() {
                status.set(&["details"], details);
            }
            whole(encode::document(format, &status)?.into())
        }
    };
    warn(response.headers_mut(), &answer.warnings);
    Ok(response)
}

/// JSON documents end in a newline, as upstream's encoder ends them.
fn newline(bytes: bytes::Bytes, format: Format) -> bytes::Bytes {
    if format == Format::Protobuf || bytes.ends_with(b"\n") {
        return bytes;
    }
    let mut out = bytes::BytesMut::with_capacity(bytes.len() + 1);
    out.extend_from_slice(&bytes);
    out.extend_from_slice(b"\n");
    out.freeze()
}

/// For the body reader: where a request's document belongs.
pub(crate) fn is_delete(verb: Verb) -> bool {
    matches!(verb, Verb::Delete | Verb::DeleteCollection)
}
