//! Programs that want a terminal get one.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::pty::{Winsize, openpty};

use crate::{command, poll::until};

/// Runs `command` on a terminal of `rows` × `columns`: types each line once the text before it was seen, and gives back
/// the exit code and everything the screen got.
pub fn talk(
    command: &mut Command,
    (rows, columns): (u16, u16),
    dialogue: &[(&str, &str)],
    limit: Duration,
) -> Result<(i32, String)> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(&size, None).context("open a terminal")?;
    let side = || pair.slave.try_clone().context("share the terminal");
    let mut child = command
        .stdin(Stdio::from(side()?))
        .stdout(Stdio::from(side()?))
        .stderr(Stdio::from(side()?))
        .spawn()
        .context("start on the terminal")?;
    // The command keeps its own copies until it is used again: point them away, or the terminal never ends.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(pair.slave);
    let mut master = std::fs::File::from(pair.master);
    let screen = Arc::new(Mutex::new(String::new()));
    let reader = {
        let (mut master, screen) = (master.try_clone().context("read the terminal")?, screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The kernel answers EIO once the last program has left.
            while let Ok(n @ 1..) = master.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
                screen.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        })
    };
    let shown = || screen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let talked = (|| -> Result<()> {
        for (seen, typed) in dialogue {
            until(limit, "the terminal", || {
                ensure!(shown().contains(seen), "it shows {:?}, not {seen:?}", shown());
                Ok(())
            })?;
            master.write_all(typed.as_bytes()).context("type")?;
        }
        Ok(())
    })();
    let code = talked.and_then(|()| command::wait(&mut child, limit));
    if code.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let _ = reader.join();
    code.map(|code| (code, shown())).with_context(|| format!("the screen: {:?}", shown()))
}
