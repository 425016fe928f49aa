//! Reading a log to its end, and on while it grows.

use std::{io, path::Path, pin::pin};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{follow::Follower, parse::parse};

/// Read at once.
const CHUNK: usize = 32 * 1024;
/// A line of the file longer than this is passed on in pieces.
const MAX_LINE: usize = 1 << 20;

/// What the caller wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOptions {
    pub(crate) follow: bool,
    pub(crate) previous: bool,
    pub(crate) timestamps: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) tail: Option<u64>,
    pub(crate) limit: Option<u64>,
    /// Only this stream: `Some(true)` is stdout.
    pub(crate) stdout: Option<bool>,
}

/// Where the text goes. Waiting in `send` is what holds a fast reader back.
pub(crate) trait Sink: Send {
    /// Passes a piece on; `false` when nobody listens any more.
    fn send(&mut self, piece: Bytes) -> impl Future<Output = bool> + Send;
}

/// Lines as the caller wants them. Pure.
struct Render {
    options: LogOptions,
    left: Option<u64>,
    /// In the middle of a long line (the last part was `P`).
    continues: bool,
}

impl Render {
    /// Appends a line; `false` when the limit is reached.
    fn line(&mut self, line: &[u8], out: &mut BytesMut) -> bool {
        let Some(line) = parse(line) else { return true };
        let wanted = self.options.since.is_none_or(|at| line.time >= at)
            && self.options.stdout.is_none_or(|only| only == line.stdout);
        if !wanted {
            return true;
        }
        let before = out.len();
        if self.options.timestamps && !self.continues {
            out.extend_from_slice(line.stamp.as_bytes());
            out.extend_from_slice(b" ");
        }
        out.extend_from_slice(line.content);
        self.continues = line.partial;
        if !line.partial {
            out.extend_from_slice(b"\n");
        }
        let Some(left) = &mut self.left else { return true };
        let added = u64::try_from(out.len() - before).unwrap_or(u64::MAX);
        if added >= *left {
            out.truncate(before + usize::try_from(*left).unwrap_or(usize::MAX));
            *left = 0;
            return false;
        }
        *left -= added;
        true
    }
}

/// Streams the log at `path`; following, until `ended` says that no more will come, and all that came is read.
pub(crate) async fn stream(
    path: &Path,
    options: LogOptions,
    sink: &mut impl Sink,
    ended: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let mut render = Render { left: options.limit, continues: false, options };
    if render.left == Some(0) {
        return Ok(());
    }
    let mut follower = if render.options.follow { Some(Follower::new(path)?) } else { None };
    let mut file = File::open(path).await?;
    if let Some(lines) = render.options.tail {
        let start = tail_start(&mut file, lines).await?;
        file.seek(io::SeekFrom::Start(start)).await?;
    }
    let mut pending = BytesMut::new();
    let mut ended = pin!(ended);
    let mut over = false;
    loop {
        if !drain(&mut file, &mut pending, &mut render, sink).await? {
            return Ok(());
        }
        let Some(follower) = &mut follower else { break };
        if let Some(next) = follower.rotated(path, &file).await {
            // What was written between our last read and the rename.
            if !drain(&mut file, &mut pending, &mut render, sink).await? {
                return Ok(());
            }
            file = next;
            continue;
        }
        // It was over before the last read: all is read now.
        if over {
            break;
        }
        tokio::select! {
            biased;
            () = &mut ended => over = true,
            changed = follower.changed() => changed?,
        }
    }
    if !pending.is_empty() {
        let mut out = BytesMut::new();
        render.line(&pending, &mut out);
        if !out.is_empty() {
            sink.send(out.freeze()).await;
        }
    }
    Ok(())
}

/// Reads to the present end. `false`: enough.
async fn drain(file: &mut File, pending: &mut BytesMut, render: &mut Render, sink: &mut impl Sink) -> io::Result<bool> {
    loop {
        pending.reserve(CHUNK);
        if file.read_buf(pending).await? == 0 {
            return Ok(true);
        }
        let mut out = BytesMut::new();
        let mut more = true;
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line = pending.split_to(end + 1);
            more = render.line(&line[..end], &mut out);
            if !more {
                break;
            }
        }
        if pending.len() > MAX_LINE {
            pending.clear();
        }
        if !out.is_empty() && !sink.send(out.freeze()).await {
            return Ok(false);
        }
        if !more {
            return Ok(false);
        }
    }
}

/// Where the last `lines` lines begin.
async fn tail_start(file: &mut File, lines: u64) -> io::Result<u64> {
    let size = file.seek(io::SeekFrom::End(0)).await?;
    if lines == 0 {
        return Ok(size);
    }
    let (mut at, mut found) = (size, 0u64);
    let mut buffer = vec![0; CHUNK];
    while at > 0 {
        let n = at.min(CHUNK as u64);
        at -= n;
        file.seek(io::SeekFrom::Start(at)).await?;
        let chunk = &mut buffer[..usize::try_from(n).unwrap_or(CHUNK)];
        file.read_exact(chunk).await?;
        for (i, _) in chunk.iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
            let end = at + i as u64 + 1;
            // The line feed that ends the file ends a line, it does not begin one.
            if end == size {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok(end);
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(String);
    impl Sink for Text {
        async fn send(&mut self, piece: Bytes) -> bool {
            self.0.push_str(&String::from_utf8_lossy(&piece));
            true
        }
    }

    const LOG: &str = "2026-01-01T00:00:01Z stdout F one\n\
                       2026-01-01T00:00:02Z stderr F two\n\
                       2026-01-01T00:00:03Z stdout P thr\n\
                       2026-01-01T00:00:03Z stdout F ee\n";

    async fn check(options: LogOptions, want: &str) {
        let dir = crate::testutil::TempDir::new("logs");
        let path = dir.path().join("0.log");
        std::fs::write(&path, LOG).unwrap();
        let mut out = Text(String::new());
        stream(&path, options, &mut out, std::future::ready(())).await.unwrap();
        assert_eq!(out.0, want);
    }

    #[tokio::test]
    async fn all_and_parts() {
        let all = LogOptions::default();
        check(all.clone(), "one\ntwo\nthree\n").await;
        check(LogOptions { tail: Some(3), ..all.clone() }, "two\nthree\n").await;
        check(LogOptions { tail: Some(0), ..all.clone() }, "").await;
        check(LogOptions { limit: Some(5), ..all.clone() }, "one\nt").await;
        check(LogOptions { stdout: Some(false), ..all.clone() }, "two\n").await;
        check(LogOptions { since: "2026-01-01T00:00:03Z".parse().ok(), ..all.clone() }, "three\n").await;
        check(
            LogOptions { timestamps: true, tail: Some(3), ..all.clone() },
            "2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z three\n",
        )
        .await;
        check(LogOptions { follow: true, ..all }, "one\ntwo\nthree\n").await;
    }

    #[tokio::test]
    async fn following_sees_growth_and_rotation() {
        let dir = crate::testutil::TempDir::new("follow");
        let path = dir.path().join("0.log");
        std::fs::write(&path, "2026-01-01T00:00:01Z stdout F one\n").unwrap();
        struct Writer(std::path::PathBuf, String);
        impl Sink for Writer {
            async fn send(&mut self, piece: Bytes) -> bool {
                use std::io::Write;
                self.1.push_str(&String::from_utf8_lossy(&piece));
                match &*self.1 {
                    "one\n" => {
                        let mut f = std::fs::OpenOptions::new().append(true).open(&self.0).unwrap();
                        f.write_all(b"2026-01-01T00:00:02Z stdout F two\n").unwrap();
                    }
                    "one\ntwo\n" => {
                        std::fs::rename(&self.0, self.0.with_extension("old")).unwrap();
                        std::fs::write(&self.0, "2026-01-01T00:00:03Z stdout F three\n").unwrap();
                    }
                    _ => return false,
                }
                true
            }
        }
        let mut sink = Writer(path.clone(), String::new());
        let options = LogOptions { follow: true, ..LogOptions::default() };
        stream(&path, options, &mut sink, std::future::pending()).await.unwrap();
        assert_eq!(sink.1, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn following_ends_with_the_container_after_its_last_words() {
        let dir = crate::testutil::TempDir::new("last");
        let path = dir.path().join("0.log");
        std::fs::write(&path, "").unwrap();
        let ended = async {
            tokio::task::yield_now().await;
            std::fs::write(&path, LOG).unwrap();
        };
        let mut out = Text(String::new());
        let options = LogOptions { follow: true, ..LogOptions::default() };
        stream(&path, options, &mut out, ended).await.unwrap();
        assert_eq!(out.0, "one\ntwo\nthree\n");
    }
}
