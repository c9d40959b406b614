#!/usr/bin/perl

# A database of an earlier version is brought to this one.  Between two versions
# functions belong to who runs them and nobody else may call them: each migration
# meets that here, not what the one before it has made in the same breath.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Portal::Place qw(run_as slurp spew top);
use Portal::Stack;

my $stack = Portal::Stack->new;
$stack->prepare;
$stack->start_database;

my $dir = $stack->{dir};
my $sql = top() . '/sql';
my @host = ('-h', $stack->pg->socket_dir, '-U', 'postgres');

sub run_ok {
    my ($what, @command) = @_;

    my $log = "$dir/upgrade.log";
    my $ok = ok run_as(undef, $log, @command) == 0, $what;
    diag slurp($log) if !$ok;
    return $ok;
}

sub psql { run_ok(shift, 'psql', '-Xqv', 'ON_ERROR_STOP=1', @host, '-d', @_) }

sub structure {
    my ($database) = @_;

    open my $in, '-|', 'pg_dump', '-s', @host, '-d', $database or die "pg_dump: $!\n";
    my @lines = sort grep { !/^\\(?:un)?restrict / } <$in>;
    close $in or die "pg_dump of $database failed\n";
    return join '', @lines;
}

# what finish.sql leaves of a version's functions
spew("$dir/finish.sql", <<'SQL');
select format('alter function %s owner to portal_api; '
              'revoke execute on function %1$s from public', p.oid::regprocedure)
  from pg_proc p
 where p.pronamespace = 'portal'::regnamespace and p.prokind = 'f' \gexec
select format('grant execute on function %s to portal_owner', p.oid::regprocedure)
  from pg_proc p
 where p.pronamespace = 'portal'::regnamespace and p.prokind = 'f'
   and p.proname in ('fold', 'luminance', 'contrast', 'theme_contrasts', 'theme_faults', 'family_bump') \gexec
SQL

run_ok("a database: $_", 'createdb', @host, $_) for qw(older fresh);
psql('roles', 'older', '-f', "$sql/roles.sql");

my @migrations = map { m{/((\d+)_(\w+)\.sql)$} ? [$1, $2 + 0, $3] : () }
    sort glob "$sql/migrations/*.sql";
cmp_ok scalar(@migrations), '>', 6, 'there are migrations';

for my $m (@migrations) {
    my ($file, $number, $name) = @$m;

    # one transaction, as sql/migrate has it
    psql("$file over a version that was in use", 'older', '-1',
        '-f', "$sql/migrations/$file", '-c', 'reset role',
        '-c', "insert into portal.migration (number, name) values ($number, '$name')",
        '-f', "$dir/finish.sql") or last;
}

run_ok('and its functions', "$sql/migrate", @host, '-d', 'older');
run_ok('once more', "$sql/migrate", @host, '-d', 'older');
run_ok('from nothing', "$sql/migrate", @host, '-d', 'fresh');

my ($older, $fresh) = map { structure($_) } qw(older fresh);
like $fresh, qr/CREATE FUNCTION portal\.decide\(/, 'the structure is read';
ok $older eq $fresh, 'it is what a new database is' or do {
    my %old = map { $_ => 1 } split /\n/, $older;
    my %new = map { $_ => 1 } split /\n/, $fresh;
    diag "only there: $_" for grep { !$new{$_} } sort keys %old;
    diag "only in a new one: $_" for grep { !$old{$_} } sort keys %new;
};

done_testing;
