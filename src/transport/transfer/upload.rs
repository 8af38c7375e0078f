//! From this machine to the host: into a temporary file beside the target, which
//! takes the target's place when all of it has arrived.

use openssl::sha::Sha256;

use super::follow::Follower;
use super::job::Job;
use super::naming::{hexadecimal, join, spare_name, staging_name};
use super::packet::Attributes;
use super::publish::publish;
use super::remote::{RemoteFile, make_directories};
use super::resume;
use super::source::{Source, absorb, path_text};
use super::staging::RemoteStaging;
use super::stream;
use super::tree::{self, Owner};
use super::trouble::Trouble;
use crate::failure::{ErrorCode, Failure};
use crate::transport::Transferred;

/// Uploads what the job's spec says.
pub(super) fn upload(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let mut source = open(job)?;
    let target = RemoteFile::find(job)?;
    upload_to(job, &mut source, &target)
}

/// Opens the local file that the job's spec names.
pub(super) fn open(job: &mut Job<'_>) -> Result<Source, Failure> {
    let path = &job.spec.local_path;
    let source = Source::open(job.spec).map_err(|error| job.local(&error, "read", path))?;
    job.total = source.size();
    Ok(source)
}

/// Uploads `source` to where `target` is or shall be.
pub(super) fn upload_to(
    job: &mut Job<'_>,
    source: &mut Source,
    target: &RemoteFile,
) -> Result<Transferred, Failure> {
    let owner = Owner::find(job)?;
    if let Some(there) = already_there(job, source, target, owner)? {
        return Ok(there);
    }
    let (directory, _) = target.parts();
    if target.attributes.is_none() && job.spec.create_dirs {
        make_directories(job, directory)?;
    }
    if !job.spec.resume {
        return on_our_own(job, source, target, owner);
    }
    if let Some(done) = with_what_is_left(job, source, target, owner)? {
        return Ok(done);
    }
    // Another transfer to this target took the temporary file that both had found.
    job.continued_at = 0;
    job.resume_note = Some(resume::TAKEN.to_owned());
    let target = target.looked_up_again(job)?;
    if let Some(there) = already_there(job, source, &target, owner)? {
        return Ok(Transferred { changed: true, ..there });
    }
    on_our_own(job, source, &target, owner)
}

/// Uploads by way of the temporary file that an interrupted attempt has left or will
/// leave; `None` when somebody else took it.
fn with_what_is_left(
    job: &mut Job<'_>,
    source: &mut Source,
    target: &RemoteFile,
    owner: Owner,
) -> Result<Option<Transferred>, Failure> {
    let (directory, name) = target.parts();
    let origin = path_text(&job.spec.local_path);
    let staged = join(directory, &staging_name(name, &origin));
    let mut hash = Sha256::new();
    let partial = resume::upload(job, source, target, &staged, &mut hash)?;
    job.check_remote_space(directory, job.total.saturating_sub(job.continued_at))?;
    let staging = match partial {
        Some(staging) => Some(staging),
        None => RemoteStaging::create(job, staged)?,
    };
    let Some(staging) = staging else {
        return on_our_own(job, source, target, owner).map(Some);
    };
    let own_name = join(directory, &spare_name(name, &origin));
    send_and_publish(job, source, staging.shared_until(own_name), hash, target, owner)
}

/// Uploads by way of a temporary file that nobody else knows.
fn on_our_own(
    job: &mut Job<'_>,
    source: &mut Source,
    target: &RemoteFile,
    owner: Owner,
) -> Result<Transferred, Failure> {
    let (directory, name) = target.parts();
    job.check_remote_space(directory, job.total)?;
    let spare = join(directory, &spare_name(name, &path_text(&job.spec.local_path)));
    let placed = match RemoteStaging::create(job, spare)? {
        Some(staging) => send_and_publish(job, source, staging, Sha256::new(), target, owner)?,
        None => None,
    };
    placed.ok_or_else(|| {
        Failure::new(
            ErrorCode::TransferFailed,
            format!("no temporary file can be created in `{directory}` on the host"),
        )
    })
}

/// Sends the rest of the source into the temporary file, and moves that into place;
/// `None` when somebody else took it.
fn send_and_publish(
    job: &mut Job<'_>,
    source: &mut Source,
    mut staging: RemoteStaging,
    hash: Sha256,
    target: &RemoteFile,
    owner: Owner,
) -> Result<Option<Transferred>, Failure> {
    let finished = fill(job, source, &mut staging, hash, target, owner)
        .and_then(|(sum, follower)| publish(job, &mut staging, target, sum, follower));
    match finished {
        Ok(transferred) => Ok(transferred),
        // What is damaged is not worth continuing.
        Err(failure) if job.spec.resume && failure.code != ErrorCode::TransferVerifyFailed => {
            staging.keep(job);
            Err(failure)
        }
        Err(failure) => {
            staging.discard(job);
            Err(failure)
        }
    }
}

/// Leaves alone what is there already; only its mode may have to change.
fn already_there(
    job: &mut Job<'_>,
    source: &mut Source,
    target: &RemoteFile,
    owner: Owner,
) -> Result<Option<Transferred>, Failure> {
    let Some(attributes) = target.attributes else { return Ok(None) };
    if attributes.size != Some(source.size()) {
        return Ok(None);
    }
    // The host hashes its file while this side hashes the source.
    let asked = job.ask_sum(&target.path, None).map_err(|trouble| job.interrupted(trouble))?;
    if !asked {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    read_through(job, source, 0, source.size(), &mut hash)?;
    let local = hexadecimal(&hash.finish());
    let remote = job.sum().map_err(|trouble| job.interrupted(trouble))?;
    if remote.as_deref() != Some(local.as_str()) {
        return Ok(None);
    }
    let given = attributes.owner.and_then(|now| owner.missing_from(now));
    if let Some(owner) = given {
        let given = job.sftp.setstat(&mut job.wire, &target.path, tree::owned_by(owner));
        given.map_err(|trouble| not_given(job, trouble, &target.path))?;
    }
    let wanted = job.spec.mode.filter(|mode| attributes.permissions() != Some(*mode));
    // A change of the owner takes special bits away.
    let wanted = wanted.or(given.and(attributes.permissions()));
    if let Some(mode) = wanted {
        job.sftp
            .setstat(&mut job.wire, &target.path, Attributes::of_mode(mode))
            .map_err(|trouble| job.remote(trouble, "change the mode of", &target.path))?;
    }
    let mut transferred = job.done(Some(local), true);
    transferred.changed = wanted.is_some() || given.is_some();
    Ok(Some(transferred))
}

/// Sends the rest of the source, and gives the temporary file its mode and owner.
/// Returns the source's hash, where it is to be verified, and what hashes the
/// temporary file already.
fn fill(
    job: &mut Job<'_>,
    source: &mut Source,
    staging: &mut RemoteStaging,
    hash: Sha256,
    target: &RemoteFile,
    owner: Owner,
) -> Result<(Option<String>, Option<Follower>), Failure> {
    let mut follower = Follower::start(job, &staging.path, staging.last_path())
        .map_err(|trouble| job.interrupted(trouble))?;
    let hash = stream::send(job, source, staging, hash, follower.as_mut())?;
    let path = &job.spec.local_path;
    if !source.is_unchanged().map_err(|error| job.local(&error, "read", path))? {
        return Err(stream::source_changed(&job.spec.local_path_shown));
    }
    set_owner(job, staging, target, owner)?;
    let kept = target.attributes.and_then(|attributes| attributes.permissions());
    let mode = job.spec.mode.or(kept).unwrap_or_else(|| source.mode());
    job.sftp
        .fsetstat(&mut job.wire, staging.handle(), Attributes::of_mode(mode))
        .map_err(|trouble| job.remote(trouble, "set the mode of", &staging.path))?;
    staging.close(job).map_err(|trouble| {
        let full = job.full_file_system(&trouble, &staging.path);
        full.unwrap_or_else(|| job.remote(trouble, "write", &staging.path))
    })?;
    Ok((job.spec.verify.then(|| hexadecimal(&hash.finish())), follower))
}

/// Gives the file to whom the request says. Else a file that is replaced keeps its
/// owner where the login user may say so: a root login must not take a service's
/// files away from it.
fn set_owner(
    job: &mut Job<'_>,
    staging: &RemoteStaging,
    target: &RemoteFile,
    owner: Owner,
) -> Result<(), Failure> {
    let kept = target.attributes.and_then(|attributes| attributes.owner);
    let Some(wanted) = owner.over(kept) else { return Ok(()) };
    let ours = job
        .sftp
        .fstat(&mut job.wire, staging.handle())
        .map_err(|trouble| job.remote(trouble, "look at", &staging.path))?;
    let Some(owner) = ours.owner.and_then(|now| wanted.owner.missing_from(now)) else {
        return Ok(());
    };
    match job.sftp.fsetstat(&mut job.wire, staging.handle(), tree::owned_by(owner)) {
        Ok(()) => Ok(()),
        Err(trouble) if wanted.required => Err(not_given(job, trouble, &target.path)),
        Err(Trouble::Status { .. }) => {
            job.warnings.push(format!(
                "`{}` belonged to {}:{} and belongs to the login user now",
                job.spec.remote_path, owner.0, owner.1
            ));
            Ok(())
        }
        Err(trouble) => Err(job.interrupted(trouble)),
    }
}

fn not_given(job: &Job<'_>, trouble: Trouble, path: &str) -> Failure {
    match trouble {
        Trouble::Status { .. } => tree::owner_denied(path),
        trouble => job.interrupted(trouble),
    }
}

/// Feeds the source's bytes from `from` up to `to` to `hash`, and leaves the
/// source at `to`.
pub(super) fn read_through(
    job: &Job<'_>,
    source: &mut Source,
    from: u64,
    to: u64,
    hash: &mut Sha256,
) -> Result<(), Failure> {
    let path = &job.spec.local_path;
    let failed = |error| job.local(&error, "read", path);
    source.rewind_to(from).map_err(failed)?;
    match absorb(source, to - from, hash, &job.wire) {
        Ok(read) => read.map_err(failed),
        Err(stop) => Err(job.interrupted(stop.into())),
    }
}
