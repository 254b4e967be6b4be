-- The two roles of iotpipe, in the database that it loads into. For psql, as a superuser or the database's owner:
--   psql -v owner_password=… -v loader_password=… -f roles.sql postgres://…/iot
-- May be run again: passwords are set to what is given.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE iotpipe_owner LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iotpipe_owner') \gexec
SELECT 'CREATE ROLE iotpipe LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iotpipe') \gexec
ALTER ROLE iotpipe_owner PASSWORD :'owner_password';
ALTER ROLE iotpipe PASSWORD :'loader_password';

-- The schema belongs to the first; the second reads and writes rows, and creates nothing.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO iotpipe_owner;
GRANT USAGE ON SCHEMA public TO iotpipe;
ALTER DEFAULT PRIVILEGES FOR ROLE iotpipe_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO iotpipe;
ALTER DEFAULT PRIVILEGES FOR ROLE iotpipe_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO iotpipe;
