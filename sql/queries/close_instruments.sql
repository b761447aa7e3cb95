-- What is gone from the exchange's list is closed.
update instruments set status = 'closed', updated_at = now()
where exchange = $1 and status <> 'closed' and symbol <> all ($2::text[]);
