//! Tests of `transport`: exec.
