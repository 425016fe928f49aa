//! What happened to containers, told by containerd's own event service.
//!
//! CRI has events of its own only from containerd 1.7 on, and a list every second is what this replaces. The events are
//! hints: whoever gets one reads the state from CRI, which may lag a little behind the event. [`Event::Resync`] comes
//! whenever a subscription begins (first, after a loss, after an overflow): everything before it may have been
//! missed, so list *after* it.
//!
//! The server answers a subscription only with its first event, so a quiet runtime could not be told from a missing
//! subscription. We therefore publish a marker until the stream brings something.

use std::{path::PathBuf, pin::pin, time::Duration};

use containerd_client::{
    events::{TaskDelete, TaskExit, TaskOom, TaskStart},
    services::v1::{PublishRequest, SubscribeRequest, events_client::EventsClient},
    types::Envelope,
};
use knarr_daemon::{Backoff, Tasks};
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Request, Status, metadata::MetadataValue, transport::Channel};

use crate::{NAMESPACE, unix_channel};

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A subscription began: list now.
    Resync,
    /// Images came, changed or went.
    Images,
    /// Something happened to a container or a sandbox.
    Container {
        /// The id of the container or sandbox.
        id: String,
        /// What happened.
        kind: Kind,
    },
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its main process started.
    Started,
    /// Its main process ended.
    Exited {
        /// The exit code, 128 + signal if it was killed.
        code: u32,
    },
    /// The kernel killed something in it for want of memory.
    OutOfMemory,
    /// It was deleted.
    Deleted,
}

/// Waiting events. When the reader is that far behind, events are dropped and it is told to list again.
const QUEUE: usize = 1024;
/// What tells of images.
const IMAGES: [&str; 3] = ["/images/create", "/images/update", "/images/delete"];
/// The topic of our marker; nobody else knows it.
const MARKER: &str = "/knarr/subscribed";

/// Subscribes for as long as `tasks` live, reconnecting with back-off.
pub fn subscribe(socket: impl Into<PathBuf>, tasks: &Tasks) -> mpsc::Receiver<Event> {
    let (tx, rx) = mpsc::channel(QUEUE);
    let socket = socket.into();
    tasks.spawn("containerd-events", |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = forward(unix_channel(socket), tx) => {}
        }
        Ok::<(), knarr_daemon::Error>(())
    });
    rx
}

/// Runs until the receiver is gone.
async fn forward(channel: Channel, tx: mpsc::Sender<Event>) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let mut out = Out { tx, lost: false };
    while !out.tx.is_closed() {
        match one_subscription(channel.clone(), &mut out, &mut backoff).await {
            Ok(()) => tracing::debug!("containerd ended the event stream"),
            Err(status) => tracing::debug!(error = status.message(), "no events from containerd"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = out.tx.closed() => {}
        }
    }
}

async fn one_subscription(channel: Channel, out: &mut Out, backoff: &mut Backoff) -> Result<(), Status> {
    let mut events = EventsClient::new(channel.clone());
    let mut stream = {
        let mut answer = pin!(events.subscribe(filters()));
        let mut marker = Backoff::new(Duration::from_millis(5), Duration::from_secs(1));
        loop {
            tokio::select! {
                answer = &mut answer => break answer?.into_inner(),
                published = publish_marker(channel.clone()) => published?,
            }
            tokio::select! {
                answer = &mut answer => break answer?.into_inner(),
                () = tokio::time::sleep(marker.next_delay()) => {}
            }
        }
    };
    backoff.reset();
    out.resync();
    while let Some(envelope) = stream.message().await? {
        if let Some(event) = parse(&envelope) {
            out.send(event);
        }
        if out.tx.is_closed() {
            break;
        }
    }
    Ok(())
}

fn filters() -> SubscribeRequest {
    let tasks = ["/tasks/start", "/tasks/exit", "/tasks/oom", "/tasks/delete"];
    let topics = tasks.iter().chain(&IMAGES).chain([&MARKER]);
    SubscribeRequest { filters: topics.map(|t| format!("namespace=={NAMESPACE},topic==\"{t}\"")).collect() }
}

async fn publish_marker(channel: Channel) -> Result<(), Status> {
    let event = Some(prost_types::Any { type_url: "knarr.Subscribed".to_owned(), value: Vec::new() });
    let mut request = Request::new(PublishRequest { topic: MARKER.to_owned(), event });
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    EventsClient::new(channel).publish(request).await.map(drop)
}

/// The event in an envelope; nothing for exec processes, the marker, and what does not parse.
fn parse(envelope: &Envelope) -> Option<Event> {
    let body = envelope.event.as_ref()?.value.as_slice();
    let (id, kind) = match envelope.topic.as_str() {
        topic if IMAGES.contains(&topic) => return Some(Event::Images),
        "/tasks/start" => (TaskStart::decode(body).ok()?.container_id, Kind::Started),
        "/tasks/oom" => (TaskOom::decode(body).ok()?.container_id, Kind::OutOfMemory),
        "/tasks/exit" => {
            let exit = TaskExit::decode(body).ok()?;
            if exit.id != exit.container_id {
                return None;
            }
            (exit.container_id, Kind::Exited { code: exit.exit_status })
        }
        "/tasks/delete" => {
            let delete = TaskDelete::decode(body).ok()?;
            if !delete.id.is_empty() && delete.id != delete.container_id {
                return None;
            }
            (delete.container_id, Kind::Deleted)
        }
        _ => return None,
    };
    Some(Event::Container { id, kind })
}

/// The reader's end and whether it missed something.
struct Out {
    tx: mpsc::Sender<Event>,
    lost: bool,
}

impl Out {
    fn send(&mut self, event: Event) {
        if self.lost {
            self.resync();
        }
        if !self.lost {
            self.lost = self.tx.try_send(event).is_err();
        }
    }

    fn resync(&mut self) {
        self.lost = self.tx.try_send(Event::Resync).is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(topic: &str, message: &impl Message) -> Envelope {
        let event = Some(prost_types::Any { type_url: String::new(), value: message.encode_to_vec() });
        Envelope { topic: topic.to_owned(), event, ..Default::default() }
    }

    #[test]
    fn exec_processes_are_not_containers() {
        let exit =
            |id: &str| TaskExit { container_id: "c".into(), id: id.into(), exit_status: 3, ..Default::default() };
        assert_eq!(
            parse(&envelope("/tasks/exit", &exit("c"))),
            Some(Event::Container { id: "c".into(), kind: Kind::Exited { code: 3 } })
        );
        assert_eq!(parse(&envelope("/tasks/exit", &exit("exec-1"))), None);
        assert_eq!(parse(&envelope(MARKER, &exit("c"))), None);
        assert_eq!(parse(&envelope("/images/create", &exit("c"))), Some(Event::Images));
    }

    #[test]
    fn an_overflow_ends_in_a_resync() {
        let (tx, mut rx) = mpsc::channel(2);
        let mut out = Out { tx, lost: false };
        let event = |n: u32| Event::Container { id: "c".into(), kind: Kind::Exited { code: n } };
        for n in 0..4 {
            out.send(event(n));
        }
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(event(0)), Ok(event(1))));
        out.send(event(4));
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(Event::Resync), Ok(event(4))));
    }
}
