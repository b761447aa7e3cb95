delete from rest_leases where egress = $1 and forgotten_at <= clock_timestamp();
