--! clear
-- Deletes the write probe's reservations and gives their tickets back; how many went. A function of the
-- database, for the server may delete no others. idx_reservations_concert.
SELECT clear_write_probe() AS gone;
