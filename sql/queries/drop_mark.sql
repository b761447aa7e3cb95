delete from database_marks where name = $1;
