-- Forgets $2 at once, also what it spent: for who is to leave no trace, and asked for little.
delete from rest_leases where egress = $1 and holder = $2;
