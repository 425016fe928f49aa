//! A watch as a body: one JSON document per line, or length-delimited protobuf.
//!
//! Events that are ready together go into one piece. The stream ends when the client's time is over, when the server
//! stops, or after an event that says why it cannot go on; clients watch again from where they were.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use knarr_api::{Object, Status};
use knarr_client::{Event, EventStream};
use knarr_daemon::Stop;

use crate::{
    codec, encode,
    encode::{Shape, put_field},
    negotiate::{Accept, Format, View},
    registry::{Clock, Entry},
    reply::BodyError,
    table::{Include, Writer},
};

/// Events in one piece at most.
const BATCH: usize = 128;

/// How a watch is written.
pub(crate) struct Watcher {
    pub(crate) entry: std::sync::Arc<Entry>,
    pub(crate) face: usize,
    pub(crate) accept: Accept,
    pub(crate) include: Include,
    pub(crate) clock: Clock,
    headings: bool,
}

impl Watcher {
    pub(crate) fn new(
        entry: std::sync::Arc<Entry>,
        face: usize,
        accept: Accept,
        include: Include,
        clock: Clock,
    ) -> Self {
        Self { entry, face, accept, include, clock, headings: true }
    }

    /// The pieces of the body.
    pub(crate) fn body(
        self,
        events: EventStream,
        time: Duration,
        stop: Stop,
    ) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
        let over = async move {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stop.cancelled_owned() => {}
            }
        };
        let batches = events.take_until(over).ready_chunks(BATCH);
        stream::unfold(Some((self, Box::pin(batches))), |state| async move {
            let (mut this, mut batches) = state?;
            let batch = batches.next().await?;
            let mut out = Vec::new();
            for event in batch {
                if let Err(status) = event.and_then(|event| this.put(&event, &mut out)) {
                    this.frame("ERROR", &this.failure(&status), &mut out);
                    return Some((Ok(Bytes::from(out)), None));
                }
            }
            Some((Ok(Bytes::from(out)), Some((this, batches))))
        })
    }

    fn put(&mut self, event: &Event, out: &mut Vec<u8>) -> Result<(), Status> {
        let (kind, document) = match event {
            Event::Added(object) => ("ADDED", self.object(object)?),
            Event::Modified(object) => ("MODIFIED", self.object(object)?),
            Event::Deleted(object) => ("DELETED", self.object(object)?),
            Event::Bookmark { revision, initial_events_end } => {
                ("BOOKMARK", self.object(&self.bookmark(*revision, *initial_events_end)?)?)
            }
        };
        self.frame(kind, &document, out);
        Ok(())
    }

    fn shape(&self) -> Shape<'_> {
        Shape { resource: &self.entry.resource, face: &self.entry.resource.faces[self.face] }
    }

    fn object(&mut self, object: &Object) -> Result<Bytes, Status> {
        let View::Table(meta) = self.accept.view else {
            return encode::object(self.shape(), self.accept.format, self.accept.view, object);
        };
        let headings = std::mem::replace(&mut self.headings, false);
        let now: Timestamp = (self.clock)();
        let writer = Writer { shape: self.shape(), meta, include: self.include, now };
        writer.object(object, headings).map(Bytes::from)
    }

    /// An object of the kind with nothing but a revision.
    fn bookmark(&self, revision: u64, end: bool) -> Result<Object, Status> {
        let (version, kind) = (self.shape().api_version(), &self.entry.resource.kind);
        let end = if end { r#","annotations":{"k8s.io/initial-events-end":"true"}"# } else { "" };
        let json = format!(
            r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{{"resourceVersion":"{revision}","creationTimestamp":null{end}}}}}"#
        );
        Object::from_json(json.into()).map_err(Status::internal)
    }

    fn failure(&self, status: &Status) -> Bytes {
        let json = status.to_json();
        if self.accept.format == Format::Protobuf
            && let Ok(Ok(bytes)) = codec::from_json(&json).map(|tree| encode::document(Format::Protobuf, &tree))
        {
            return bytes.into();
        }
        json.into()
    }

    fn frame(&self, kind: &str, document: &[u8], out: &mut Vec<u8>) {
        if self.accept.format == Format::Protobuf {
            // WatchEvent { type = 1, object = 2: RawExtension { raw = 1 } }, its length in four bytes before it.
            let mut raw = Vec::with_capacity(document.len() + 8);
            put_field(1, document, &mut raw);
            let mut event = Vec::with_capacity(raw.len() + 24);
            put_field(1, kind.as_bytes(), &mut event);
            put_field(2, &raw, &mut event);
            out.extend_from_slice(&(event.len() as u32).to_be_bytes());
            out.extend_from_slice(&event);
            return;
        }
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#"","object":"#);
        out.extend_from_slice(document);
        out.extend_from_slice(b"}\n");
    }
}
