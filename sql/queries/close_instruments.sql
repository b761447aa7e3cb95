-- What is gone from the exchange's lists of the markets $3 is closed.
update instruments set status = 'closed', updated_at = now()
where exchange = $1 and status <> 'closed' and symbol <> all ($2::text[]) and market = any ($3::text[]);
