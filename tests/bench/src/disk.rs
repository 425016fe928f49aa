//! What the disk itself takes: nothing that is acknowledged can be faster.

use std::{fs, io::Write as _, path::Path, time::Instant};

use anyhow::{Context as _, Result};

use crate::stats::ms;

/// Milliseconds of `n` fdatasyncs, each after appending 4 KiB to a file in `dir`.
pub(crate) fn fdatasyncs(dir: &Path, n: usize) -> Result<Vec<f64>> {
    let path = dir.join("fdatasync");
    let mut file = fs::File::create(&path).with_context(|| format!("make {}", path.display()))?;
    // As a log in write-ahead mode is: the blocks are there before.
    file.write_all(&vec![0; 4096 * n]).context("fill the file")?;
    file.sync_all().context("sync the file")?;
    std::io::Seek::rewind(&mut file).context("go to its begin")?;
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begun = Instant::now();
        file.write_all(&[1; 4096]).context("write")?;
        file.sync_data().context("sync")?;
        times.push(ms(begun.elapsed()));
    }
    fs::remove_file(&path).context("remove the file")?;
    Ok(times)
}
