//! Many small requests at a time: one round trip for hundreds of them.

use std::collections::HashMap;

use crate::failure::Failure;
use crate::transport::transfer::job::Job;
use crate::transport::transfer::packet::Response;
use crate::transport::transfer::sftp::Sftp;

/// How many requests are under way at a time.
const AT_A_TIME: usize = 512;

/// Asks something about each of `items`, and hands every answer to `take`.
pub(super) fn each<T>(
    job: &mut Job<'_>,
    items: impl IntoIterator<Item = T>,
    mut ask: impl FnMut(&mut Sftp, &T) -> u32,
    mut take: impl FnMut(&mut Job<'_>, T, Response) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut items = items.into_iter().peekable();
    let mut asked: HashMap<u32, T> = HashMap::new();
    loop {
        while asked.len() < AT_A_TIME
            && !job.sftp.is_backed_up()
            && let Some(item) = items.next()
        {
            let id = ask(job.sftp, &item);
            asked.insert(id, item);
        }
        if asked.is_empty() {
            return Ok(());
        }
        job.sftp.pump(&mut job.wire).map_err(|trouble| job.interrupted(trouble))?;
        while let Some((id, response)) =
            job.sftp.take().map_err(|trouble| job.interrupted(trouble))?
        {
            if let Some(item) = asked.remove(&id) {
                take(job, item, response)?;
            }
        }
    }
}
