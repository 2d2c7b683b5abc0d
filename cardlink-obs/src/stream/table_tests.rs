use super::Table;
use crate::event::{Holder, StreamId};

const SECOND: u64 = 1_000_000_000;

fn holder(tgid: u32, fd: i32) -> Holder {
    Holder { tgid, fd }
}

fn id(identity: u64, generation: u64) -> StreamId {
    StreamId { identity, generation, tty: false }
}

fn open(table: &mut Table<u32>, holder: Holder, id: StreamId, at: u64, value: u32) -> Vec<u32> {
    table.open(holder, id, at, || value).into_iter().map(|ended| ended.value).collect()
}

#[test]
fn the_last_close_ends_a_stream_at_its_time() {
    let mut table = Table::default();
    assert!(open(&mut table, holder(1, 5), id(100, 1), 1, 7).is_empty());
    let ended = table.close(holder(1, 5), id(100, 1), 9, true).expect("an end");
    assert_eq!((ended.at, ended.value), (9, 7));
    assert!(table.is_empty());
}

#[test]
fn a_duplicate_keeps_it_open() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    assert!(open(&mut table, holder(1, 6), id(100, 1), 2, 8).is_empty());
    assert_eq!(table.len(), 1);
    assert!(table.close(holder(1, 5), id(100, 1), 3, false).is_none());
    assert!(table.expired(10 * SECOND).is_empty());
    assert_eq!(table.close(holder(1, 6), id(100, 1), 4, true).expect("an end").value, 7);
}

#[test]
fn a_forked_child_holds_what_its_parent_held() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    table.fork(1, 2);
    assert!(table.close(holder(1, 5), id(100, 1), 2, false).is_none());
    assert!(table.expired(10 * SECOND).is_empty());
    let ended = table.process_ended(2, 11 * SECOND);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].at, 11 * SECOND);
}

#[test]
fn a_close_while_another_thread_reads_ends_it_after_a_grace_at_its_own_time() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    assert!(table.close(holder(1, 5), id(100, 1), 2 * SECOND, false).is_none());
    assert!(table.expired(2 * SECOND + 1).is_empty());
    let ended = table.expired(3 * SECOND);
    assert_eq!((ended.len(), ended[0].at), (1, 2 * SECOND));
}

#[test]
fn a_descriptor_that_was_passed_on_keeps_the_stream() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    table.close(holder(1, 5), id(100, 1), 2, false);
    assert!(open(&mut table, holder(9, 3), id(100, 1), 3, 8).is_empty());
    assert!(table.expired(10 * SECOND).is_empty());
    assert_eq!(table.find(id(100, 1)).expect("still open").value, 7);
}

#[test]
fn a_reused_number_is_another_stream() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    // The close of the first was lost.
    assert!(open(&mut table, holder(1, 5), id(101, 2), 2, 8).is_empty());
    let ended = table.expired(2 * SECOND);
    assert_eq!(ended.iter().map(|ended| (ended.value, ended.unseen)).collect::<Vec<_>>(), [(7, true)]);
    assert_eq!(table.find(id(101, 2)).expect("the new one").value, 8);
}

#[test]
fn another_life_of_an_identity_ends_the_one_before() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 1), 1, 7);
    assert_eq!(open(&mut table, holder(1, 5), id(100, 2), 2, 8), [7]);
    assert!(table.find(id(100, 1)).is_none());
    assert_eq!(table.find(id(100, 2)).expect("the new life").value, 8);
}

#[test]
fn what_procfs_found_takes_on_the_generation_that_the_probes_see() {
    let mut table = Table::default();
    open(&mut table, holder(1, 5), id(100, 0), 1, 7);
    assert!(open(&mut table, holder(1, 5), id(100, 42), 2, 8).is_empty());
    assert_eq!(table.find(id(100, 42)).expect("the same").value, 7);
    assert!(table.find(id(100, 43)).is_none());
}

#[test]
fn close_range_and_exec_take_what_is_gone() {
    let mut table = Table::default();
    for fd in 3..8 {
        open(&mut table, holder(1, fd), id(100 + u64::try_from(fd).unwrap_or(0), 1), 1, 0);
    }
    table.close_range(1, 5, 6, SECOND);
    assert_eq!(table.expired(3 * SECOND).len(), 2);
    table.retain(1, &[3], 4 * SECOND);
    assert_eq!(table.expired(6 * SECOND).len(), 2);
    assert_eq!(table.len(), 1);
}
