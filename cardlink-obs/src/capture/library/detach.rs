//! Lets go of probes beside the work: the kernel takes its time for each.

use std::{
    sync::mpsc::{Sender, channel},
    thread,
};

type Links = Vec<Box<dyn Send>>;

/// A thread, once there is something to let go of.
#[derive(Default)]
pub struct Detacher {
    queue: Option<Sender<Links>>,
}

impl Detacher {
    /// Detaches in the order of the list.
    pub fn detach(&mut self, links: Links) {
        if links.is_empty() {
            return;
        }
        let queue = self.queue.get_or_insert_with(|| {
            let (sender, receiver) = channel::<Links>();
            // Without a thread the list goes back to the sender, who drops it.
            let _ = thread::Builder::new().name("detach".into()).spawn(move || receiver.into_iter().for_each(drop));
            sender
        });
        let _ = queue.send(links);
    }
}
