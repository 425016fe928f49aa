//! Writing a plan into containerd.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use containerd_client::services::v1::{
    self as api, WriteAction, WriteContentRequest, content_client::ContentClient, diff_client::DiffClient,
    images_client::ImagesClient, leases_client::LeasesClient, snapshots, snapshots::snapshots_client::SnapshotsClient,
};
use prost_types::FieldMask;
use tokio::sync::mpsc;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

use super::{ArchiveError, Plan, PlannedBlob, PlannedImage, Source, oci};
use crate::{Cri, CriError, NAMESPACE, Runtime, unix_channel, v1};

/// A piece of a blob. Two are under way: a large layer costs 1 MiB of memory, not its size.
const PIECE: usize = 512 << 10;
/// How long a single answer may take: an unpacked layer can be gigabytes on a slow card.
const STEP: Duration = Duration::from_secs(30 * 60);
/// How long CRI may take to notice a new image.
const NOTICE: Duration = Duration::from_secs(10);
/// A lease that its owner forgot (it was killed) ends by itself.
const LEASE_HOURS: i64 = 24;

/// Why an image was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The archive is at fault: permanent.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A blob could not be read from the archive.
    #[error("read blob {digest}")]
    Blob {
        /// Which.
        digest: String,
        /// Why.
        source: std::io::Error,
    },
    /// containerd refused a step.
    #[error("{step}: {}", status.message())]
    Containerd {
        /// Which.
        step: String,
        /// Its answer.
        status: Box<Status>,
    },
    /// A layer does not unpack to what the image's configuration says.
    #[error("layer {layer} unpacks to {found}")]
    WrongLayer {
        /// Its digest.
        layer: String,
        /// The digest of what came out.
        found: String,
    },
    /// CRI does not see the image.
    #[error("the runtime does not list {name}")]
    Unseen {
        /// Its name.
        name: String,
        /// The last answer, if it was an error.
        source: Option<CriError>,
    },
}

fn at(step: impl Into<String>) -> impl FnOnce(Status) -> ImportError {
    move |status| ImportError::Containerd { step: step.into(), status: Box::new(status) }
}

/// Absent is a value, not a failure.
fn found<T>(result: Result<T, Status>) -> Result<Option<T>, Status> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// Present already is done.
fn fresh<T>(result: Result<T, Status>) -> Result<Option<T>, Status> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(status) if status.code() == Code::AlreadyExists => Ok(None),
        Err(status) => Err(status),
    }
}

/// Brings images into one containerd.
#[derive(Clone)]
pub struct Importer {
    channel: Channel,
    cri: Cri,
    snapshotter: String,
    lease: Option<MetadataValue<tonic::metadata::Ascii>>,
}

impl Importer {
    /// For the containerd at `socket`, unpacking into `snapshotter`.
    pub fn new(socket: impl Into<PathBuf>, snapshotter: &str) -> Self {
        let socket = socket.into();
        Self {
            channel: unix_channel(&socket),
            cri: Cri::new(&socket),
            snapshotter: snapshotter.to_owned(),
            lease: None,
        }
    }

    /// Makes sure that the embedded sandbox image is there; returns its name. One question if it is.
    pub async fn ensure_pause(&self) -> Result<String, ImportError> {
        let archive = crate::pause::image()?;
        let name = crate::pause::image_name();
        let plan = archive.plan()?;
        if !self.has_all(&plan).await? {
            self.import(&plan).await?;
        }
        Ok(name)
    }

    /// Whether all images of `plan` are there under their names.
    pub async fn has_all(&self, plan: &Plan) -> Result<bool, ImportError> {
        for image in &plan.images {
            if self.target(&image.name).await?.as_deref() != Some(&image.target.digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The digest that an image name stands for.
    pub(super) async fn target(&self, name: &str) -> Result<Option<String>, ImportError> {
        let request = self.request(api::GetImageRequest { name: name.to_owned() });
        let answer = found(ImagesClient::new(self.channel.clone()).get(request).await).map_err(at("get image"))?;
        Ok(answer.and_then(|a| Some(a.into_inner().image?.target?.digest)))
    }

    /// Writes a plan and waits until CRI sees its images.
    pub async fn import(&self, plan: &Plan) -> Result<(), ImportError> {
        let now = jiff::Timestamp::now();
        let id = format!("knarr-import-{}", now.as_nanosecond());
        let expire = (now + jiff::SignedDuration::from_hours(LEASE_HOURS)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let labels = HashMap::from([("containerd.io/gc.expire".to_owned(), expire)]);
        let mut leases = LeasesClient::new(self.channel.clone());
        let create = self.request(api::CreateRequest { id: id.clone(), labels });
        leases.create(create).await.map_err(at("create lease"))?;

        let lease = MetadataValue::try_from(&id).expect("an id of letters and digits is ASCII");
        let result = Self { lease: Some(lease), ..self.clone() }.write(plan).await;

        let delete = self.request(api::DeleteRequest { id, sync: false });
        let deleted = leases.delete(delete).await.map_err(at("delete lease"));
        result.and(deleted.map(drop))
    }

    async fn write(&self, plan: &Plan) -> Result<(), ImportError> {
        for blob in &plan.blobs {
            self.write_blob(blob).await?;
        }
        for image in &plan.images {
            self.unpack(image).await?;
        }
        for image in &plan.images {
            // The id first: CRI adds it itself only to images that it does not yet know as managed.
            self.write_name(&image.id, image).await?;
            self.write_name(&image.name, image).await?;
        }
        for image in &plan.images {
            self.wait_for_cri(&image.name).await?;
        }
        Ok(())
    }

    async fn write_blob(&self, blob: &PlannedBlob) -> Result<(), ImportError> {
        let digest = &blob.descriptor.digest;
        let mut content = ContentClient::new(self.channel.clone());
        let info = content.info(self.request(api::InfoRequest { digest: digest.clone() })).await;
        if found(info).map_err(at(format!("look for blob {digest}")))?.is_some() {
            return self.label_blob(digest, blob.labels.clone().into_iter().collect()).await;
        }
        let (tx, mut rx) = mpsc::channel(1);
        let requests = futures_util::stream::poll_fn(move |cx| rx.poll_recv(cx));
        let send = async {
            let mut answers = content.write(self.request(requests)).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok(())
        };
        let (read, sent) = tokio::join!(feed(blob, tx), send);
        fresh(sent).map_err(at(format!("write blob {digest}")))?;
        // A broken pipe to a containerd that refused is told above; what is left is ours.
        read.map_err(|source| ImportError::Blob { digest: digest.clone(), source })
    }

    async fn label_blob(&self, digest: &str, labels: HashMap<String, String>) -> Result<(), ImportError> {
        if labels.is_empty() {
            return Ok(());
        }
        let paths = labels.keys().map(|k| format!("labels.{k}")).collect();
        let info = api::Info { digest: digest.to_owned(), labels, ..Default::default() };
        let request = self.request(api::UpdateRequest { info: Some(info), update_mask: Some(FieldMask { paths }) });
        let updated = ContentClient::new(self.channel.clone()).update(request).await;
        updated.map(drop).map_err(at(format!("label blob {digest}")))
    }

    /// Unpacks what is not unpacked yet. CRI would do it at the first use; then the first pod would wait for it.
    async fn unpack(&self, image: &PlannedImage) -> Result<(), ImportError> {
        let diff_ids: Vec<_> = image.layers.iter().map(|(_, diff_id)| diff_id.clone()).collect();
        let chain = oci::chain_ids(&diff_ids);
        let Some(top) = chain.last() else { return Ok(()) };
        for (n, (layer, diff_id)) in image.layers.iter().enumerate() {
            let parent = n.checked_sub(1).map_or("", |below| &chain[below]);
            self.unpack_layer(layer, diff_id, &chain[n], parent).await?;
        }
        let label = format!("containerd.io/gc.ref.snapshot.{}", self.snapshotter);
        self.label_blob(&image.id, HashMap::from([(label, top.clone())])).await
    }

    async fn unpack_layer(
        &self,
        layer: &oci::Descriptor,
        diff_id: &str,
        name: &str,
        parent: &str,
    ) -> Result<(), ImportError> {
        let snapshotter = || self.snapshotter.clone();
        let mut client = SnapshotsClient::new(self.channel.clone());
        let stat = snapshots::StatSnapshotRequest { snapshotter: snapshotter(), key: name.to_owned() };
        if found(client.stat(self.request(stat)).await).map_err(at("look for snapshot"))?.is_some() {
            return Ok(());
        }
        let key = format!("extract-{} {name}", jiff::Timestamp::now().as_nanosecond());
        let prepare = snapshots::PrepareSnapshotRequest {
            snapshotter: snapshotter(),
            key: key.clone(),
            parent: parent.to_owned(),
            labels: HashMap::from([("containerd.io/snapshot.ref".to_owned(), name.to_owned())]),
        };
        let prepared = fresh(client.prepare(self.request(prepare)).await).map_err(at("prepare snapshot"))?;
        let Some(prepared) = prepared else { return Ok(()) };

        let apply = api::ApplyRequest {
            diff: Some(layer.to_containerd()),
            mounts: prepared.into_inner().mounts,
            ..Default::default()
        };
        let applied = DiffClient::new(self.channel.clone()).apply(self.request(apply)).await;
        let checked = match applied.map_err(at(format!("unpack layer {}", layer.digest))) {
            Ok(answer) => match answer.into_inner().applied.map(|d| d.digest) {
                Some(found) if found != diff_id => Err(ImportError::WrongLayer { layer: layer.digest.clone(), found }),
                _ => Ok(()),
            },
            Err(e) => Err(e),
        };
        let committed = match checked {
            Ok(()) => {
                let commit = snapshots::CommitSnapshotRequest {
                    snapshotter: snapshotter(),
                    name: name.to_owned(),
                    key: key.clone(),
                    labels: HashMap::new(),
                };
                fresh(client.commit(self.request(commit)).await).map_err(at("commit snapshot"))
            }
            Err(e) => Err(e),
        };
        if !matches!(committed, Ok(Some(_))) {
            let remove = snapshots::RemoveSnapshotRequest { snapshotter: snapshotter(), key };
            if let Err(status) = client.remove(self.request(remove)).await {
                tracing::debug!(error = status.message(), "a half-unpacked layer is left to the garbage collector");
            }
        }
        committed.map(drop)
    }

    async fn write_name(&self, name: &str, image: &PlannedImage) -> Result<(), ImportError> {
        let labels = HashMap::from([
            ("io.cri-containerd.image".to_owned(), "managed".to_owned()),
            ("io.cri-containerd.pinned".to_owned(), "pinned".to_owned()),
        ]);
        let paths = labels.keys().map(|k| format!("labels.{k}")).chain(["target".to_owned()]).collect();
        let target = Some(image.target.to_containerd());
        let record = api::Image { name: name.to_owned(), labels, target, ..Default::default() };
        let mut client = ImagesClient::new(self.channel.clone());
        let create = api::CreateImageRequest { image: Some(record.clone()), source_date_epoch: None };
        let created = fresh(client.create(self.request(create)).await).map_err(at(format!("name image {name}")))?;
        if created.is_none() {
            let update = api::UpdateImageRequest {
                image: Some(record),
                update_mask: Some(FieldMask { paths }),
                source_date_epoch: None,
            };
            client.update(self.request(update)).await.map_err(at(format!("rename image {name}")))?;
        }
        Ok(())
    }

    /// CRI learns of images by events; a pod that came before it would go to a registry instead.
    async fn wait_for_cri(&self, name: &str) -> Result<(), ImportError> {
        let deadline = tokio::time::Instant::now() + NOTICE;
        loop {
            let spec = v1::ImageSpec { image: name.to_owned(), ..Default::default() };
            let source = match self.cri.image_status(spec).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => None,
                Err(e) => Some(e),
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(ImportError::Unseen { name: name.to_owned(), source });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(STEP);
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
        if let Some(lease) = &self.lease {
            metadata.insert("containerd-lease", lease.clone());
        }
        request
    }
}

/// Sends a blob in pieces, then commits it. Ends early without complaint if nobody listens any more.
async fn feed(blob: &PlannedBlob, tx: mpsc::Sender<WriteContentRequest>) -> std::io::Result<()> {
    let digest = &blob.descriptor.digest;
    let message = |action: WriteAction, offset: u64, data: Vec<u8>| WriteContentRequest {
        action: action.into(),
        r#ref: format!("knarr-{digest}"),
        total: signed(blob.descriptor.size),
        expected: digest.clone(),
        offset: signed(offset),
        data,
        labels: HashMap::new(),
    };
    let mut source = Some(open(&blob.source).await?);
    let mut offset = 0;
    while let Some(reader) = source.take() {
        let (reader, piece) = knarr_daemon::blocking(move || next_piece(reader)).await?;
        if piece.is_empty() {
            break;
        }
        let n = piece.len() as u64;
        if tx.send(message(WriteAction::Write, offset, piece)).await.is_err() {
            return Ok(());
        }
        offset += n;
        source = Some(reader);
    }
    let labels = blob.labels.clone().into_iter().collect();
    let _ = tx.send(WriteContentRequest { labels, ..message(WriteAction::Commit, offset, Vec::new()) }).await;
    Ok(())
}

type Reader = Box<dyn std::io::Read + Send>;

async fn open(source: &Source) -> std::io::Result<Reader> {
    let source = source.clone();
    knarr_daemon::blocking(move || source.open()).await
}

fn next_piece(mut reader: Reader) -> std::io::Result<(Reader, Vec<u8>)> {
    use std::io::Read;
    let mut piece = Vec::with_capacity(PIECE);
    reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
    Ok((reader, piece))
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
