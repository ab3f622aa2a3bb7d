-- The role as which workers, the API and the commands of operators run. It owns nothing: it can neither alter a table nor change history.
--
-- Roles belong to the whole server. Another database may be creating it at this very moment; then this waits and finds it.
DO $$
BEGIN
  FOR attempt IN 1..20 LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_running') THEN
        CREATE ROLE holdfast_running NOLOGIN;
      END IF;
      IF NOT pg_has_role(current_user, 'holdfast_running', 'SET') THEN
        EXECUTE format('GRANT holdfast_running TO %I WITH INHERIT FALSE, SET TRUE', current_user);
      END IF;
      EXIT;
    EXCEPTION
      WHEN duplicate_object OR unique_violation OR internal_error THEN
        -- "tuple concurrently updated" is an internal error.
        IF attempt = 20 THEN RAISE; END IF;
        PERFORM pg_sleep(0.05);
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not create or take the role holdfast_running', current_user
          USING
            ERRCODE = 'insufficient_privilege',
            HINT = format(
              'As a superuser: CREATE ROLE holdfast_running NOLOGIN; GRANT holdfast_running TO %I WITH INHERIT FALSE, SET TRUE; then migrate again.',
              current_user
            );
    END;
  END LOOP;
END $$;
