//! Tests of `transport`: transfer.
